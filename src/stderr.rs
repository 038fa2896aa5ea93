//! Every line that pipetool writes to stderr: its prefix, and nothing in it that could harm a terminal.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use crate::progress;

/// Writes `pipetool: LINE`. A stderr that is gone or full is no reason to fail.
pub(crate) fn say(line: &str) {
    // One write: lines of two threads or two processes do not mix.
    show(&self::line(line));
}

/// A line as all of ours look.
pub(crate) fn line(text: &str) -> String {
    format!("pipetool: {}\n", harmless(text))
}

/// Writes `text`, which is known to be harmless, as it is.
pub(crate) fn show(text: &str) {
    progress::beside_bar(|| drop(io::stderr().lock().write_all(text.as_bytes())));
}

/// An error's text, without the "(os error 2)" that std appends.
pub(crate) fn reason(cause: &(dyn std::error::Error + 'static)) -> String {
    let text = cause.to_string();
    match cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
        Some(code) => text.trim_end_matches(&format!(" (os error {code})")).to_owned(),
        None => text,
    }
}

/// `text` with control characters escaped: file names and what peers sent may hold escape sequences.
pub(crate) fn harmless(text: &str) -> String {
    escaped(text, is_harmful, |out, c| write!(out, "{}", c.escape_default()))
}

/// The same for `json`, in which a newline only stands between values: those below a space are escaped there
/// already, and it means what it meant.
pub(crate) fn harmless_json(json: &str) -> String {
    escaped(json, |c| is_harmful(c) && c != '\n', |out, c| write!(out, "\\u{:04x}", u32::from(c)))
}

/// What a terminal does something with, and what makes it show text in another order than it has.
fn is_harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, is_meant: impl Fn(char) -> bool, escape: impl Fn(&mut String, char) -> fmt::Result) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if is_meant(c) {
            let _ = escape(&mut out, c);
        } else {
            out.push(c);
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_shown_not_done() {
        assert_eq!(harmless("a\x1b]0;t\x07\nä"), "a\\u{1b}]0;t\\u{7}\\nä");
        assert_eq!(harmless("a\u{9b}\u{7f}\u{202e}b\u{2069}\u{200f}"), "a\\u{9b}\\u{7f}\\u{202e}b\\u{2069}\\u{200f}");
    }

    #[test]
    fn json_is_harmless_and_means_what_it_meant() {
        let json = "{\n  \"name\": \"a\\n\\u001b\u{9b}\x7f\u{202e}ä\"\n}\n";
        assert_eq!(harmless_json(json), "{\n  \"name\": \"a\\n\\u001b\\u009b\\u007f\\u202eä\"\n}\n");
    }
}
