//! The way of messages from one side to the other, in the form that each has them.

use std::collections::VecDeque;
use std::fmt;

use super::reader::too_large;
use super::{Form, Reader};

/// Makes the bytes of one side into those of the other, message by message.
#[derive(Debug)]
pub struct Translator {
    reader: Reader,
    input: Form,
    output: Form,
    largest: usize,
    /// Texts of messages so far.
    taken: u64,
    /// Messages so far, and how many are enough.
    count: u64,
    enough: Option<u64>,
    outgoing: Outgoing,
    /// What every message is shown to.
    seen: VecDeque<Vec<u8>>,
    shows: bool,
}

/// Bytes that are ready to go, and where each message ends in them.
#[derive(Debug, Default)]
struct Outgoing {
    bytes: Vec<u8>,
    gone: usize,
    /// The ends of the messages that have not gone whole, and where the first of them begins.
    ends: VecDeque<usize>,
    begin: usize,
}

/// What is no message, or cannot be one on the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The input is malformed: half a sentence with the place.
    Input(String),
    /// A message, by its number from 1, cannot be written: half a sentence about it.
    Output(u64, String),
}

impl Translator {
    /// From `input` to `output`, for messages of at most `largest` bytes.
    #[must_use]
    pub fn new(input: Form, output: Form, largest: usize) -> Self {
        Translator {
            reader: Reader::new(input, largest),
            input,
            output,
            largest,
            taken: 0,
            count: 0,
            enough: None,
            outgoing: Outgoing::default(),
            seen: VecDeque::new(),
            shows: false,
        }
    }

    /// Takes no more than `count` messages.
    #[must_use]
    pub fn at_most(mut self, count: Option<u64>) -> Self {
        self.enough = count;
        self
    }

    /// Drops the byte order mark that .NET's `StreamWriter` puts in front of everything.
    #[must_use]
    pub fn without_bom(mut self, strip: bool) -> Self {
        self.reader = self.reader.without_bom(strip);
        self
    }

    /// Keeps each message for [`Translator::take_seen`].
    #[must_use]
    pub fn showing(mut self, shows: bool) -> Self {
        self.shows = shows;
        self
    }

    /// The next message that has passed, to be shown.
    pub fn take_seen(&mut self) -> Option<Vec<u8>> {
        self.seen.pop_front()
    }

    /// Messages so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Have all come that are wanted?
    #[must_use]
    pub fn has_enough(&self) -> bool {
        self.enough.is_some_and(|enough| self.count >= enough)
    }

    /// Did the input turn out to be no such framing? Where its next message would begin cannot be known then.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.reader.is_stuck()
    }

    /// The greatest message that it takes.
    #[must_use]
    pub fn largest(&self) -> usize {
        self.largest
    }

    /// Takes what was read; with [`Form::Kept`] that is one message, which may be empty.
    ///
    /// # Errors
    /// At the first thing that is no message; what came before it is ready to go.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.read(|this, reader| reader.push(bytes, |text| this.take(text)))
    }

    /// Goes on behind a message that was refused.
    ///
    /// # Errors
    /// Those of [`Translator::push`].
    pub fn resume(&mut self) -> Result<(), Problem> {
        self.read(|this, reader| reader.resume(|text| this.take(text)))
    }

    /// Takes the end of data.
    ///
    /// # Errors
    /// An end in the middle of a message.
    pub fn finish(&mut self) -> Result<(), Problem> {
        self.read(|this, reader| reader.finish(|text| this.take(text)))
    }

    /// Bytes to be written next: one message's with [`Form::Kept`] on this side (it may be empty), else all.
    #[must_use]
    pub fn pending(&self) -> Option<&[u8]> {
        let Outgoing { bytes, gone, ends, .. } = &self.outgoing;
        match (self.output, ends.front()) {
            (Form::Kept, Some(&end)) => Some(&bytes[*gone..end]),
            _ if *gone < bytes.len() => Some(&bytes[*gone..]),
            _ => None,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn undelivered(&self) -> usize {
        self.outgoing.bytes.len() - self.outgoing.gone
    }

    /// So many of them were written.
    pub fn delivered(&mut self, count: usize) {
        let is_kept = self.output == Form::Kept;
        let outgoing = &mut self.outgoing;
        outgoing.gone += count;
        while let Some(&end) = outgoing.ends.front().filter(|&&end| end <= outgoing.gone) {
            outgoing.begin = end;
            outgoing.ends.pop_front();
            if is_kept {
                // Each has a write of its own, an empty one too.
                break;
            }
        }
        if outgoing.ends.is_empty() {
            *outgoing = Outgoing { bytes: std::mem::take(&mut outgoing.bytes), ..Outgoing::default() };
            outgoing.bytes.clear();
        }
    }

    /// Begins the message anew of which a part has gone, for another who reads.
    pub fn rewind(&mut self) {
        self.outgoing.gone = self.outgoing.begin;
    }

    fn read(&mut self, read: impl FnOnce(&mut Self, &mut Reader) -> Result<(), Halt>) -> Result<(), Problem> {
        if self.has_enough() {
            return Ok(());
        }
        // The reader lends its messages while the other parts are written to.
        let mut reader = std::mem::take(&mut self.reader);
        let result = read(self, &mut reader);
        self.reader = reader;
        match result {
            Ok(()) | Err(Halt::Enough) => Ok(()),
            Err(Halt::At(problem)) => Err(problem),
        }
    }

    /// Takes a message as it was written.
    fn take(&mut self, text: &[u8]) -> Result<(), Halt> {
        self.taken += 1;
        if !matches!(self.input, Form::Base64 | Form::Hex) {
            return self.message(text);
        }
        let wrong = |why: String| Problem::Input(format!("line {}: {why}", self.taken));
        let message = self.input.decode(text).map_err(wrong)?;
        if message.len() > self.largest {
            return Err(wrong(too_large(self.largest)).into());
        }
        self.message(&message)
    }

    fn message(&mut self, message: &[u8]) -> Result<(), Halt> {
        self.count += 1;
        if self.shows {
            self.seen.push_back(message.to_vec());
        }
        let Outgoing { bytes: out, ends, .. } = &mut self.outgoing;
        let before = out.len();
        self.output.encode(message, out).map_err(|why| Problem::Output(self.count, why.to_string()))?;
        // An empty message that is written as nothing is never delivered: its end would be kept for ever.
        if out.len() > before || self.output == Form::Kept {
            ends.push_back(out.len());
        }
        if self.has_enough() { Err(Halt::Enough) } else { Ok(()) }
    }
}

/// Why no more messages are taken for now.
enum Halt {
    Enough,
    At(Problem),
}

impl From<Problem> for Halt {
    fn from(problem: Problem) -> Self {
        Halt::At(problem)
    }
}

impl From<String> for Halt {
    fn from(lie: String) -> Self {
        Halt::At(Problem::Input(lie))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Input(what) => f.write_str(what),
            Problem::Output(number, why) => write!(f, "message {number} {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::{Decoder, Framing, NAMES};
    use proptest::prelude::*;

    fn translated(input: &str, output: &str, pieces: &[&[u8]]) -> Result<Vec<u8>, Problem> {
        let mut translator = Translator::new(input.parse().unwrap(), output.parse().unwrap(), 1000);
        let mut out = Vec::new();
        for piece in pieces {
            translator.push(piece)?;
        }
        translator.finish()?;
        while let Some(bytes) = translator.pending() {
            out.extend_from_slice(bytes);
            let count = bytes.len();
            translator.delivered(count);
        }
        Ok(out)
    }

    #[test]
    fn forms_of_stdin_and_stdout() {
        for (input, output, pieces, expected) in [
            ("lines", "u8", &[&b"a\nb"[..], b"c\n\n"][..], &b"\x01a\x02bc\0"[..]),
            ("whole", "u8", &[b"a\n", b"b"], b"\x03a\nb"),
            ("whole", "u8", &[], b""),
            ("base64", "nul", &[b"aGk=\n\n"], b"hi\0\0"),
            ("hex", "nul", &[b"6869\n6A"], b"hi\0j\0"),
            ("u8", "lines", &[b"\x02hi\0"], b"hi\n\n"),
            ("u8", "whole", &[b"\x02hi\x01!"], b"hi!"),
            ("u8", "base64", &[b"\x02hi\0"], b"aGk=\n\n"),
            ("u8", "hex", &[b"\x02hi"], b"6869\n"),
        ] {
            assert_eq!(translated(input, output, pieces).unwrap(), expected, "{input} to {output}");
        }
        assert!(translated("base64", "nul", &[b"aGk=\n???\n"]).unwrap_err().to_string().contains("line 2: "));
        let refused = translated("u8", "lines", &[b"\x01a\x03b\nc"]).unwrap_err().to_string();
        assert_eq!(refused, "message 2 holds a newline, which ends a message here");
    }

    #[test]
    fn enough_is_enough_and_a_mark_is_dropped_once() {
        let mut translator =
            Translator::new("lines".parse().unwrap(), Form::Kept, 1000).at_most(Some(2)).without_bom(true);
        translator.push(b"\xef\xbb\xbfone\n\nthree\n").unwrap();
        assert!(translator.has_enough());
        assert_eq!(translator.pending(), Some(&b"one"[..]));
        translator.delivered(3);
        assert_eq!(translator.pending(), Some(&b""[..]));
        translator.delivered(0);
        assert_eq!(translator.pending(), None);
    }

    #[test]
    fn the_next_reader_gets_whole_messages() {
        let mut translator = Translator::new("lines".parse().unwrap(), "u8".parse().unwrap(), 1000);
        translator.push(b"one\ntwo\nthr").unwrap();
        translator.delivered(6);
        translator.rewind();
        assert_eq!(translator.pending(), Some(&b"\x03two"[..]));
        translator.push(b"ee\n").unwrap();
        assert_eq!(translator.pending(), Some(&b"\x03two\x05three"[..]));
        translator.delivered(10);
        assert_eq!((translator.pending(), translator.undelivered()), (None, 0));
    }

    #[test]
    fn what_is_written_as_nothing_is_not_remembered() {
        let mut translator = Translator::new("u8".parse().unwrap(), Form::Whole, 1000);
        translator.push(&[0; 5000]).unwrap();
        assert_eq!((translator.count(), translator.pending()), (5000, None));
        assert!(translator.outgoing.ends.is_empty());
    }

    fn framing() -> impl Strategy<Value = Framing> {
        let elsewhere = ["u32le@6+4", "u32le@4", "u16le@14-16", "u32be@1-4", "u24le+1"];
        let names = [&NAMES[..], &elsewhere].concat();
        prop::sample::select(names).prop_map(|name| name.parse().unwrap())
    }

    proptest! {
        /// What a framing takes comes out again, however it was cut.
        #[test]
        fn decode_undoes_encode(
            framing in framing(),
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
            cuts in prop::collection::vec(1_usize..40, 1..20),
        ) {
            let (mut wire, mut kept) = (Vec::new(), Vec::new());
            for message in messages {
                if framing.encode(&message, &mut wire).is_ok() {
                    kept.push(message);
                }
            }
            let (mut decoder, mut got) = (Decoder::new(framing, 1000), Vec::new());
            let (mut rest, mut cuts) = (&wire[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, left) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                rest = left;
                decoder.push(piece);
                while let Some(message) = decoder.next().unwrap() {
                    got.push(message.to_vec());
                }
            }
            prop_assert_eq!(decoder.finish(), Ok(None));
            prop_assert_eq!(got, kept);
        }

        /// Whatever comes: no panic, and never more messages' bytes than came.
        #[test]
        fn no_input_is_too_strange(framing in framing(), bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let mut decoder = Decoder::new(framing, 100);
            let mut given = 0;
            for piece in bytes.chunks(7) {
                decoder.push(piece);
                loop {
                    match decoder.next() {
                        Ok(Some(message)) => given += message.len(),
                        Ok(None) => break,
                        Err(_) => return Ok(()),
                    }
                }
            }
            let _ = decoder.finish();
            prop_assert!(given <= bytes.len());
        }
    }
}
