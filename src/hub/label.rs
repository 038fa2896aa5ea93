//! `--label`: `#CLIENT ` in front of a message says whom it is from, or for.

/// Whom a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// All clients.
    All,
    /// The one with this number.
    One(u64),
}

/// The label of what a client said.
pub(super) fn of(client: u64) -> String {
    format!("#{client} ")
}

/// Takes `#CLIENT ` (or `#* `, for all) from the front of `text`. A client's number alone, without a space,
/// is an empty message to it.
pub(super) fn split(text: &[u8]) -> Option<(To, &[u8])> {
    let text = text.strip_prefix(b"#")?;
    let end = memchr::memchr(b' ', text).unwrap_or(text.len());
    let (label, rest) = (&text[..end], text.get(end + 1..).unwrap_or_default());
    if label == b"*" {
        return Some((To::All, rest));
    }
    let is_number = !label.is_empty() && label.iter().all(u8::is_ascii_digit);
    let number = str::from_utf8(label).ok().filter(|_| is_number)?.parse().ok()?;
    Some((To::One(number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_taken_off_and_nothing_else() {
        for (text, expected) in [
            (&b"#3 hello"[..], Some((To::One(3), &b"hello"[..]))),
            (b"#3  two spaces", Some((To::One(3), b" two spaces"))),
            (b"#12 #3 nested", Some((To::One(12), b"#3 nested"))),
            (b"#3 ", Some((To::One(3), b""))),
            (b"#3", Some((To::One(3), b""))),
            (b"#* all of you", Some((To::All, b"all of you"))),
            (b"hello", None),
            (b"#", None),
            (b"# 3", None),
            (b"#+3 x", None),
            (b"#3x y", None),
            (b"#99999999999999999999 x", None),
            (b"", None),
        ] {
            assert_eq!(split(text), expected, "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(split(format!("{}x", of(7)).as_bytes()), Some((To::One(7), &b"x"[..])));
    }
}
