//! A command line as the C runtime takes it apart into arguments again (Microsoft, "Parsing C command-line
//! arguments"): a program gets one text, and not a list.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::ffi::OsStrExt;

const QUOTE: u16 = b'"' as u16;
const BACKSLASH: u16 = b'\\' as u16;

/// `program` and `arguments` as one text, which ends in a zero.
///
/// # Errors
/// For what holds a zero, which ends the text.
pub(super) fn command_line(program: &OsStr, arguments: &[OsString]) -> io::Result<Vec<u16>> {
    let mut line = Vec::new();
    // The program's name has rules of its own: it cannot hold a quote, and backslashes are just that.
    line.push(QUOTE);
    line.extend(program.encode_wide());
    line.push(QUOTE);
    for argument in arguments {
        line.push(u16::from(b' '));
        push_quoted(&mut line, argument);
    }
    if line.contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "an argument holds a zero byte"));
    }
    line.push(0);
    Ok(line)
}

/// A backslash is itself, unless a quote follows: then each counts half, and an odd one takes the quote's
/// meaning from it.
fn push_quoted(line: &mut Vec<u16>, argument: &OsStr) {
    let is_plain = |unit: u16| unit != QUOTE && unit != u16::from(b' ') && unit != u16::from(b'\t');
    if !argument.is_empty() && argument.encode_wide().all(is_plain) {
        line.extend(argument.encode_wide());
        return;
    }
    line.push(QUOTE);
    let mut backslashes = 0;
    for unit in argument.encode_wide() {
        if unit == QUOTE {
            line.extend(std::iter::repeat_n(BACKSLASH, backslashes + 1));
        }
        backslashes = if unit == BACKSLASH { backslashes + 1 } else { 0 };
        line.push(unit);
    }
    line.extend(std::iter::repeat_n(BACKSLASH, backslashes));
    line.push(QUOTE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_as_the_c_runtime_unquotes_them() {
        let arguments = ["plain", "", "two words", r#"say "hi""#, r"C:\dir\", r"C:\my dir\", r#"a\"b"#, "tab\there"];
        let line = command_line(OsStr::new(r"C:\a b.exe"), &arguments.map(OsString::from)).unwrap();
        let expected = concat!(
            r#""C:\a b.exe" plain "" "two words" "say \"hi\"" C:\dir\ "C:\my dir\\" "a\\\"b" "tab"#,
            "\there\"\0"
        );
        assert_eq!(String::from_utf16(&line).unwrap(), expected);
        assert!(command_line(OsStr::new("x"), &["a\0b".into()]).is_err());
    }
}
