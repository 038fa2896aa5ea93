//! Messages, taken out of what was read from one side.

use super::{Decoder, Form, Framing, Lie};

/// A byte order mark, as .NET's `StreamWriter` writes one.
const BOM: &[u8] = b"\xef\xbb\xbf";
/// What a hub puts in front of a message at the most: `#`, a number and a space.
const LONGEST_LABEL: usize = 22;

/// Takes messages out of bytes, as they are written there: [`Form::decode`] says what the text of one means.
#[derive(Debug)]
pub struct Reader {
    input: Input,
    largest: usize,
    strips_bom: bool,
    stuck: bool,
}

#[derive(Debug)]
enum Input {
    /// Something tells where each ends.
    Delimited(Decoder),
    /// All of it is one message.
    Whole(Vec<u8>),
    /// Each read is one.
    Kept,
}

impl Reader {
    /// For messages of at most `largest` bytes in `form`.
    #[must_use]
    pub fn new(form: Form, largest: usize) -> Self {
        Reader::of(
            match form {
                Form::Framed(framing) => Input::Delimited(Decoder::new(framing, largest)),
                // Twice as long in hexadecimal digits.
                Form::Base64 | Form::Hex => {
                    let longest = largest.saturating_mul(2).saturating_add(LONGEST_LABEL + "\r\n".len());
                    Input::Delimited(Decoder::new(Framing::Lines, longest))
                }
                Form::Whole => Input::Whole(Vec::new()),
                Form::Kept => Input::Kept,
            },
            largest,
        )
    }

    /// For lines of at most `largest` bytes in which nothing is changed: what they are without any framing.
    #[must_use]
    pub fn of_lines(largest: usize) -> Self {
        Reader::of(Input::Delimited(Decoder::new(Framing::Lines, largest).keeping_returns()), largest)
    }

    fn of(input: Input, largest: usize) -> Self {
        Reader { input, largest, strips_bom: false, stuck: false }
    }

    /// Drops the byte order mark in front of the first message, if told so.
    #[must_use]
    pub fn without_bom(mut self, strips: bool) -> Self {
        self.strips_bom = strips;
        self
    }

    /// Did what came turn out to be no such messages? Where the next would begin cannot be known then.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// Takes what was read, and hands on each message that is whole now.
    ///
    /// # Errors
    /// The first thing that is no message (half a sentence), or what `each` says: then [`Reader::resume`] goes on behind
    /// that.
    pub fn push<E: From<String>>(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        match &mut self.input {
            Input::Delimited(decoder) => {
                decoder.push(bytes);
                self.resume(each)
            }
            Input::Whole(all) if all.len() + bytes.len() > self.largest => {
                self.stuck = true;
                Err(too_large(self.largest).into())
            }
            Input::Whole(all) => {
                all.extend_from_slice(bytes);
                Ok(())
            }
            // Of a larger one not all may have been read.
            Input::Kept if bytes.len() > self.largest => Err(too_large(self.largest).into()),
            Input::Kept => each(without_bom(bytes, &mut self.strips_bom)),
        }
    }

    /// Hands on what is whole by now and came behind a message that `each` refused.
    ///
    /// # Errors
    /// Those of [`Reader::push`].
    pub fn resume<E: From<String>>(&mut self, mut each: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let Input::Delimited(decoder) = &mut self.input else { return Ok(()) };
        while let Some(message) = decoder.next().map_err(|lie| stick(&mut self.stuck, &lie))? {
            each(without_bom(message, &mut self.strips_bom))?;
        }
        Ok(())
    }

    /// Takes the end of data, which may end a message too.
    ///
    /// # Errors
    /// An end in the middle of one, and those of [`Reader::push`].
    pub fn finish<E: From<String>>(&mut self, mut each: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.resume(&mut each)?;
        match &mut self.input {
            Input::Delimited(decoder) => match decoder.finish().map_err(|lie| stick(&mut self.stuck, &lie))? {
                Some(message) => each(without_bom(message, &mut self.strips_bom)),
                None => Ok(()),
            },
            Input::Whole(all) if !all.is_empty() => each(without_bom(&std::mem::take(all), &mut self.strips_bom)),
            Input::Whole(_) | Input::Kept => Ok(()),
        }
    }

    /// Gives back what a large message took of memory. For those who have many of these.
    pub fn give_back(&mut self) {
        if let Input::Delimited(decoder) = &mut self.input {
            decoder.give_back();
        }
    }
}

impl Default for Reader {
    /// One that takes nothing.
    fn default() -> Self {
        Reader::new(Form::Kept, 0)
    }
}

fn stick(stuck: &mut bool, lie: &Lie) -> String {
    *stuck = true;
    lie.to_string()
}

/// Half a sentence about a message of more than `largest` bytes.
pub(super) fn too_large(largest: usize) -> String {
    format!("a message of more than {largest} bytes (--max-message)")
}

/// Only the first message has one.
fn without_bom<'a>(message: &'a [u8], strips: &mut bool) -> &'a [u8] {
    let stripped = if std::mem::take(strips) { message.strip_prefix(BOM) } else { None };
    stripped.unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(reader: Reader, pieces: &[&[u8]]) -> Result<Vec<String>, String> {
        let mut reader = reader.without_bom(true);
        let mut messages = Vec::new();
        let mut keep = |message: &[u8]| {
            messages.push(String::from_utf8_lossy(message).into_owned());
            Ok::<_, String>(())
        };
        for piece in pieces {
            reader.push(piece, &mut keep)?;
        }
        reader.finish(&mut keep)?;
        Ok(messages)
    }

    #[test]
    fn lines_are_whole_however_they_come() {
        let pieces: [&[u8]; 3] = [b"\xef\xbb\xbfa", b"b\r\n\n", b"last"];
        assert_eq!(taken(Reader::of_lines(100), &pieces).unwrap(), ["ab\r", "", "last"]);
        assert_eq!(taken(Reader::new(Form::Framed(Framing::Lines), 100), &pieces).unwrap(), ["ab", "", "last"]);
    }

    #[test]
    fn what_is_no_message_is_said() {
        let framed = Form::Framed("u8".parse().unwrap());
        for (reader, pieces, reason) in [
            (Reader::of_lines(100), &[b'x'; 101][..], "--max-message"),
            (Reader::new(Form::Kept, 100), &[b'x'; 101], "--max-message"),
            (Reader::new(Form::Whole, 100), &[b'x'; 101], "--max-message"),
            (Reader::new(framed, 100), b"\x05abc", "end of data"),
        ] {
            assert!(taken(reader, &[pieces]).unwrap_err().contains(reason));
        }
    }

    #[test]
    fn what_is_behind_a_refused_one_comes_next_time() {
        let (mut reader, mut got) = (Reader::of_lines(100), Vec::new());
        let mut each = |message: &[u8]| {
            got.push(message.to_vec());
            if message == b"bad" { Err("refused".to_owned()) } else { Ok(()) }
        };
        assert_eq!(reader.push(b"one\nbad\ntwo\n", &mut each), Err("refused".to_owned()));
        reader.finish(&mut each).unwrap();
        assert_eq!(got, [&b"one"[..], b"bad", b"two"]);
    }
}
