//! Every line that pipetool writes to stderr: its prefix, and nothing in it that could harm a terminal.

use std::fmt::Write as _;
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

/// `text` with control characters escaped: file names and what peers sent may hold escape sequences.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if c.is_control() {
            let _ = write!(out, "{}", c.escape_default());
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
    }
}
