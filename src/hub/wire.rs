//! How messages look on one side of a hub: put behind others, and taken out of what was read. Who gets them
//! is no concern of this file.

use std::borrow::Cow;

use crate::framing::{Decoder, Form, Framing};

/// A byte order mark, as .NET's `StreamWriter` writes one.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// How messages look on one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Lines, in which nothing is changed: what they are without any framing.
    Lines,
    /// As the user said.
    Form(Form),
}

impl Wire {
    /// Appends `message` to `out`, or says what this side cannot express: half a sentence about it.
    pub(super) fn encode(self, message: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Wire::Form(form) => form.encode(message, out).map_err(|why| why.to_string()),
            Wire::Lines if message.contains(&b'\n') => Err("holds a newline, which ends a message here".to_owned()),
            Wire::Lines => {
                out.extend_from_slice(message);
                out.push(b'\n');
                Ok(())
            }
        }
    }

    /// Appends `message` with `label` in front, where people and scripts look for it: before the text that
    /// a message is written as.
    pub(super) fn encode_labelled(self, label: &str, message: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Wire::Form(Form::Base64 | Form::Hex) => {
                out.extend_from_slice(label.as_bytes());
                self.encode(message, out)
            }
            _ => self.encode(&[label.as_bytes(), message].concat(), out),
        }
    }

    /// The message that was written as `text`.
    pub(super) fn decode(self, text: &[u8]) -> Result<Cow<'_, [u8]>, String> {
        match self {
            Wire::Form(form) => form.decode(text),
            Wire::Lines => Ok(text.into()),
        }
    }
}

/// Takes messages out of what was read, as they are written.
#[derive(Debug)]
pub(super) struct Reader {
    input: Input,
    largest: usize,
    strips_bom: bool,
}

#[derive(Debug)]
enum Input {
    Delimited(Decoder),
    /// All of it is one message.
    Whole(Vec<u8>),
    /// Each read is one.
    Kept,
}

impl Reader {
    /// For messages of at most `largest` bytes; without a byte order mark in front of the first, if told so.
    pub(super) fn new(wire: Wire, largest: usize, strips_bom: bool) -> Self {
        // Twice as long when written in hexadecimal digits, and with a label.
        let text = || Decoder::new(Framing::Lines, largest.saturating_mul(2).saturating_add(24));
        let input = match wire {
            Wire::Lines => Input::Delimited(Decoder::new(Framing::Lines, largest).keeping_returns()),
            Wire::Form(Form::Framed(framing)) => Input::Delimited(Decoder::new(framing, largest)),
            Wire::Form(Form::Base64 | Form::Hex) => Input::Delimited(text()),
            Wire::Form(Form::Whole) => Input::Whole(Vec::new()),
            Wire::Form(Form::Kept) => Input::Kept,
        };
        Reader { input, largest, strips_bom }
    }

    /// Takes what was read, and hands on each message that is whole now.
    ///
    /// # Errors
    /// The first thing that is no message, or what `each` says: half a sentence.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        match &mut self.input {
            Input::Delimited(decoder) => {
                decoder.push(bytes);
                while let Some(message) = decoder.next().map_err(|lie| lie.to_string())? {
                    each(without_bom(message, &mut self.strips_bom))?;
                }
                // Who says nothing more for hours is one of many.
                decoder.give_back();
                Ok(())
            }
            Input::Whole(all) if all.len() + bytes.len() > self.largest => Err(too_large(self.largest)),
            Input::Whole(all) => {
                all.extend_from_slice(bytes);
                Ok(())
            }
            Input::Kept if bytes.len() > self.largest => Err(too_large(self.largest)),
            Input::Kept => each(without_bom(bytes, &mut self.strips_bom)),
        }
    }

    /// Takes the end of data, which may end a message too.
    ///
    /// # Errors
    /// An end in the middle of one.
    pub(super) fn finish(&mut self, mut each: impl FnMut(&[u8]) -> Result<(), String>) -> Result<(), String> {
        match &mut self.input {
            Input::Delimited(decoder) => match decoder.finish().map_err(|lie| lie.to_string())? {
                Some(message) => each(without_bom(message, &mut self.strips_bom)),
                None => Ok(()),
            },
            Input::Whole(all) if !all.is_empty() => each(&std::mem::take(all)),
            Input::Whole(_) | Input::Kept => Ok(()),
        }
    }
}

/// Only the first message has one.
fn without_bom<'a>(message: &'a [u8], strips: &mut bool) -> &'a [u8] {
    let stripped = if std::mem::take(strips) { message.strip_prefix(BOM) } else { None };
    stripped.unwrap_or(message)
}

fn too_large(largest: usize) -> String {
    format!("a message of more than {largest} bytes (--max-message)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(wire: Wire, pieces: &[&[u8]]) -> Result<Vec<String>, String> {
        let mut reader = Reader::new(wire, 100, true);
        let mut messages = Vec::new();
        let mut keep = |message: &[u8]| {
            messages.push(String::from_utf8_lossy(message).into_owned());
            Ok(())
        };
        for piece in pieces {
            reader.push(piece, &mut keep)?;
        }
        reader.finish(&mut keep)?;
        Ok(messages)
    }

    #[test]
    fn lines_are_whole_however_they_come_and_unchanged() {
        assert_eq!(taken(Wire::Lines, &[b"\xef\xbb\xbfa", b"b\r\n\n", b"last"]).unwrap(), ["ab\r", "", "last"]);
        let framed = Wire::Form(Form::Framed(Framing::Lines));
        assert_eq!(taken(framed, &[b"ab\r\n"]).unwrap(), ["ab"]);
    }

    #[test]
    fn what_is_no_message_is_said() {
        assert!(taken(Wire::Lines, &[&[b'x'; 101]]).unwrap_err().contains("--max-message"));
        assert!(taken(Wire::Form(Form::Kept), &[&[b'x'; 101]]).unwrap_err().contains("--max-message"));
        assert!(
            taken(Wire::Form(Form::Framed("u8".parse().unwrap())), &[b"\x05abc"]).unwrap_err().contains("end of data")
        );
    }

    #[test]
    fn a_label_stands_where_scripts_look_for_it() {
        let labelled = |wire: Wire| {
            let mut out = Vec::new();
            wire.encode_labelled("#3 ", b"hi", &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(labelled(Wire::Lines), "#3 hi\n");
        assert_eq!(labelled(Wire::Form(Form::Hex)), "#3 6869\n");
        assert_eq!(labelled(Wire::Form(Form::Framed("u8".parse().unwrap()))), "\x05#3 hi");
    }
}
