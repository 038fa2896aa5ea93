//! How messages look on stdin and stdout (`--stdio`).

use std::borrow::Cow;
use std::str::FromStr;

use data_encoding::{BASE64, Encoding, HEXLOWER, HEXLOWER_PERMISSIVE};

use super::{Framing, Unframable};

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

impl Form {
    /// Appends `message` to `out`.
    ///
    /// # Errors
    /// What a framing cannot say.
    pub fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Unframable> {
        match self {
            Form::Framed(framing) => return framing.encode(message, out),
            Form::Whole | Form::Kept => out.extend_from_slice(message),
            Form::Base64 => push_line(out, &BASE64, message),
            Form::Hex => push_line(out, &HEXLOWER, message),
        }
        Ok(())
    }

    /// The message that `text` is, one line's where messages are text.
    ///
    /// # Errors
    /// What is no such text: half a sentence with the place.
    pub fn decode<'a>(&self, text: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        let encoding = match self {
            Form::Base64 => &BASE64,
            // Capitals are welcome.
            Form::Hex => &HEXLOWER_PERMISSIVE,
            Form::Framed(_) | Form::Whole | Form::Kept => return Ok(text.into()),
        };
        encoding.decode(text).map(Cow::Owned).map_err(|error| error.to_string())
    }
}

fn push_line(out: &mut Vec<u8>, encoding: &Encoding, message: &[u8]) {
    let start = out.len();
    out.resize(start + encoding.encode_len(message.len()), 0);
    encoding.encode_mut(message, &mut out[start..]);
    out.push(b'\n');
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
