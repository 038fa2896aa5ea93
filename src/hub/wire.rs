//! How messages look on one side of a hub. Who gets them is no concern of this file.

use std::borrow::Cow;

use crate::framing::{Form, Reader};

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

    /// What takes messages of at most `largest` bytes out of what was read.
    pub(super) fn reader(self, largest: usize) -> Reader {
        match self {
            Wire::Form(form) => Reader::new(form, largest),
            Wire::Lines => Reader::of_lines(largest),
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

#[cfg(test)]
mod tests {
    use super::*;

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
