//! How messages look on stdin and stdout (`--stdio`).

use std::str::FromStr;

use super::Framing;

/// How messages look on a stream of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Delimited by a framing.
    Framed(Framing),
    /// All there is, is one message (none, if there is nothing); received ones stand back to back.
    Whole,
    /// One a line, in base64.
    Base64,
    /// One a line, two digits a byte.
    Hex,
    /// Each read is a message, each write another: the pipe itself keeps them apart.
    Kept,
}

impl FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "whole" => Ok(Form::Whole),
            "base64" => Ok(Form::Base64),
            "hex" => Ok(Form::Hex),
            _ => text.parse().map(Form::Framed).map_err(|why: String| format!("{why}; or whole, base64 or hex")),
        }
    }
}
