//! Taking messages out of bytes, however the kernel has cut them, and not believing what a peer says.

use std::fmt;

use super::{Framing, LengthField, give_back};

/// A varint longer than this says more than 64 bits.
const LONGEST_VARINT: usize = 10;
/// The digits of a netstring's length, and the header part of content-length: more is no header.
const LONGEST_DIGITS: usize = 20;
const LONGEST_HEADER: usize = 4096;

/// Bytes are pushed in, messages come out. It holds no more than it was given and has not yet given back.
#[derive(Debug)]
pub struct Decoder {
    framing: Framing,
    largest: usize,
    /// Is a carriage return before a newline a part of the line?
    keeps_returns: bool,
    buffer: Vec<u8>,
    /// Where in the buffer the next frame begins.
    start: usize,
    /// What of it has been searched for a delimiter.
    searched: usize,
    /// Bytes before the buffer, to say where a lie stands.
    before: u64,
}

/// What a peer sent that is no message, and at which byte of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lie {
    at: u64,
    what: String,
}

impl Decoder {
    /// For messages of at most `largest` bytes.
    #[must_use]
    pub fn new(framing: Framing, largest: usize) -> Self {
        Decoder { framing, largest, keeps_returns: false, buffer: Vec::new(), start: 0, searched: 0, before: 0 }
    }

    /// For lines that nobody called a framing: nothing in them is changed.
    #[must_use]
    pub fn keeping_returns(mut self) -> Self {
        self.keeps_returns = true;
        self
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.make_room();
        self.buffer.extend_from_slice(bytes);
    }

    /// Gives back what a large message took of memory. For those who have many of these: asked for anew with every
    /// message, it would cost more than it is worth.
    pub fn give_back(&mut self) {
        self.make_room();
        give_back(&mut self.buffer);
    }

    /// Forgets the messages that were taken out.
    fn make_room(&mut self) {
        self.buffer.drain(..self.start);
        self.before += self.start as u64;
        self.start = 0;
    }

    /// The next whole message, if there is one.
    ///
    /// # Errors
    /// At the first byte that makes no sense; whole messages before it were given already.
    #[expect(clippy::should_implement_trait, reason = "it lends its buffer, which an iterator cannot")]
    pub fn next(&mut self) -> Result<Option<&[u8]>, Lie> {
        let frame = match self.framing {
            Framing::Length(field) => self.after_length(field)?,
            Framing::Varint => self.after_varint()?,
            Framing::Lines => self.until(b"\n")?.map(|(from, to, end)| {
                let has_return = !self.keeps_returns && to > from && self.buffer[to - 1] == b'\r';
                (from, to - usize::from(has_return), end)
            }),
            Framing::Crlf => self.until(b"\r\n")?,
            Framing::Nul => self.until(b"\0")?,
            Framing::Netstring => self.netstring()?,
            Framing::ContentLength => self.after_header()?,
        };
        Ok(frame.map(|(from, to, end)| {
            self.start = end;
            self.searched = 0;
            &self.buffer[from..to]
        }))
    }

    /// What the end of the stream leaves. A last line, or a last text before a zero byte, may be without
    /// its end.
    ///
    /// # Errors
    /// An end in the middle of a message.
    pub fn finish(&mut self) -> Result<Option<&[u8]>, Lie> {
        if self.start == self.buffer.len() {
            return Ok(None);
        }
        match self.framing {
            Framing::Lines | Framing::Nul => {
                let from = std::mem::replace(&mut self.start, self.buffer.len());
                self.searched = 0;
                Ok(Some(&self.buffer[from..]))
            }
            framing => {
                let got = self.buffer.len() - self.start;
                Err(self.lie(self.buffer.len(), format!("the end of data after {got} bytes of a '{framing}' message")))
            }
        }
    }

    fn frame(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn lie(&self, place: usize, what: String) -> Lie {
        Lie { at: self.before + place as u64, what }
    }

    /// Is a message of so many bytes allowed?
    fn checked(&self, length: Option<u64>) -> Result<usize, Lie> {
        let length =
            length.ok_or_else(|| self.lie(self.start, "a message shorter than nothing is announced".to_owned()))?;
        match usize::try_from(length) {
            Ok(length) if length <= self.largest => Ok(length),
            _ => {
                let largest = self.largest;
                Err(self.lie(self.start, format!("a message of {length} bytes, more than {largest} (--max-message)")))
            }
        }
    }

    fn after_length(&mut self, field: LengthField) -> Result<Option<(usize, usize, usize)>, Lie> {
        let head = field.head();
        if self.frame().len() < head {
            return Ok(None);
        }
        let length = self.checked(field.announced(&self.frame()[..head]))?;
        let Some(frame) = self.buffer.get_mut(self.start..self.start + head + length) else { return Ok(None) };
        let from = self.start + field.drop_field(frame);
        let end = self.start + head + length;
        Ok(Some((from, end, end)))
    }

    fn after_varint(&self) -> Result<Option<(usize, usize, usize)>, Lie> {
        let mut length: u64 = 0;
        for (place, &byte) in self.frame().iter().enumerate() {
            let bits = u64::from(byte & 0x7f);
            let shift = 7 * u32::try_from(place).unwrap_or(u32::MAX);
            if place >= LONGEST_VARINT || (shift == 63 && bits > 1) {
                return Err(self.lie(self.start + place, "a varint that does not end".to_owned()));
            }
            length |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(self.following(self.start + place + 1, self.checked(Some(length))?));
            }
        }
        Ok(None)
    }

    fn following(&self, from: usize, length: usize) -> Option<(usize, usize, usize)> {
        let end = from + length;
        (end <= self.buffer.len()).then_some((from, end, end))
    }

    fn until(&mut self, delimiter: &[u8]) -> Result<Option<(usize, usize, usize)>, Lie> {
        let found = memchr::memmem::find(&self.frame()[self.searched..], delimiter).map(|at| self.searched + at);
        // The delimiter may be cut in two.
        self.searched = self.frame().len().saturating_sub(delimiter.len() - 1).max(self.searched);
        let length = found.unwrap_or(self.searched);
        if length > self.largest {
            let largest = self.largest;
            return Err(self.lie(self.start, format!("no end of a message within {largest} bytes (--max-message)")));
        }
        Ok(found.map(|at| (self.start, self.start + at, self.start + at + delimiter.len())))
    }

    fn netstring(&self) -> Result<Option<(usize, usize, usize)>, Lie> {
        let digits = self.frame().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let Some(&after) = self.frame().get(digits) else {
            return if digits > LONGEST_DIGITS { Err(self.no_netstring(0)) } else { Ok(None) };
        };
        let text = str::from_utf8(&self.frame()[..digits]).unwrap_or_default();
        // A zero in front is not allowed, but for the empty one.
        let length = text.parse().ok().filter(|_| after == b':' && (digits == 1 || !text.starts_with('0')));
        let Some(length) = length else { return Err(self.no_netstring(digits)) };
        let from = self.start + digits + 1;
        let Some((_, to, _)) = self.following(from, self.checked(Some(length))?) else { return Ok(None) };
        match self.buffer.get(to) {
            None => Ok(None),
            Some(b',') => Ok(Some((from, to, to + 1))),
            Some(_) => Err(self.lie(to, "no comma after a netstring".to_owned())),
        }
    }

    fn no_netstring(&self, place: usize) -> Lie {
        self.lie(self.start + place, "no netstring: expected a length and a colon".to_owned())
    }

    fn after_header(&mut self) -> Result<Option<(usize, usize, usize)>, Lie> {
        let Some(end) = memchr::memmem::find(&self.frame()[self.searched..], b"\r\n\r\n") else {
            self.searched = self.frame().len().saturating_sub(3).max(self.searched);
            if self.searched > LONGEST_HEADER {
                return Err(self.lie(self.start, format!("a header of more than {LONGEST_HEADER} bytes")));
            }
            return Ok(None);
        };
        let end = self.searched + end;
        let header = String::from_utf8_lossy(&self.frame()[..end]);
        let length = header
            .split("\r\n")
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok());
        let Some(length) = length else {
            return Err(self.lie(self.start, "a header without a Content-Length".to_owned()));
        };
        let length = self.checked(Some(length))?;
        Ok(self.following(self.start + end + 4, length))
    }
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lie(framing: &str, bytes: &[u8]) -> String {
        let mut decoder = Decoder::new(framing.parse().unwrap(), 1000);
        decoder.push(bytes);
        loop {
            match decoder.next() {
                Ok(Some(_)) => {}
                Ok(None) => return decoder.finish().map(|_| ()).unwrap_err().to_string(),
                Err(lie) => return lie.to_string(),
            }
        }
    }

    #[test]
    fn a_lie_says_what_was_expected_and_where() {
        for (framing, bytes, expected) in [
            (
                "u32le",
                &b"\x01\0\0\0x\xff\xff\xff\x7f"[..],
                "2147483647 bytes, more than 1000 (--max-message) at byte 5",
            ),
            ("u32be@1-4", b"Q\0\0\0\x03", "shorter than nothing is announced at byte 0"),
            ("u16le", b"\x05\0abc", "the end of data after 5 bytes of a 'u16le' message at byte 5"),
            ("varint", &[0xff; 11], "a varint that does not end at byte 9"),
            ("netstring", b"5:helloX", "no comma after a netstring at byte 7"),
            ("netstring", b"05:hello,", "expected a length and a colon at byte 2"),
            ("netstring", b"x", "expected a length and a colon at byte 0"),
            ("netstring", b":", "expected a length and a colon at byte 0"),
            ("content-length", b"Type: x\r\n\r\n", "a header without a Content-Length at byte 0"),
            ("content-length", b"Content-Length: -1\r\n\r\n", "without a Content-Length"),
            ("crlf", b"a\r\nb", "the end of data after 1 bytes of a 'crlf' message at byte 4"),
            ("lines", &[b'x'; 1001], "no end of a message within 1000 bytes (--max-message) at byte 0"),
        ] {
            let told = lie(framing, bytes);
            assert!(told.contains(expected), "{framing}: {told}");
        }
    }

    proptest::proptest! {
        /// Memory follows what came, and not what is announced.
        #[test]
        fn it_allocates_no_more_than_it_received(
            framing in proptest::sample::select(&["u8", "u32le", "u64be", "varint", "lines", "netstring", "content-length"][..]),
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400),
        ) {
            let mut decoder = Decoder::new(framing.parse().unwrap(), usize::MAX);
            for piece in bytes.chunks(16) {
                decoder.push(piece);
                while let Ok(Some(_)) = decoder.next() {}
            }
            // A vector may have grown to twice its length.
            assert!(decoder.buffer.capacity() <= 2 * bytes.len() + 64, "{}", decoder.buffer.capacity());
        }
    }

    #[test]
    fn what_one_large_message_took_is_given_back() {
        let mut decoder = Decoder::new(Framing::Lines, usize::MAX);
        decoder.push(&vec![b'x'; 30 << 20]);
        decoder.push(b"\nbegun");
        assert_eq!(decoder.next().unwrap().map(<[u8]>::len), Some(30 << 20));
        assert_eq!(decoder.next().unwrap(), None);
        decoder.give_back();
        assert!(decoder.buffer.capacity() <= 2 << 20, "{}", decoder.buffer.capacity());
        decoder.push(b"\n");
        assert_eq!(decoder.next().unwrap(), Some(&b"begun"[..]));
    }

    #[test]
    fn what_people_write_is_tolerated() {
        let messages = |framing: &str, bytes: &[u8]| {
            let mut decoder = Decoder::new(framing.parse().unwrap(), 1000);
            decoder.push(bytes);
            let mut got = Vec::new();
            while let Some(message) = decoder.next().unwrap() {
                got.push(String::from_utf8(message.to_vec()).unwrap());
            }
            got.extend(decoder.finish().unwrap().map(|message| String::from_utf8(message.to_vec()).unwrap()));
            // Who asks again hears that there is no more.
            assert_eq!(decoder.next().unwrap(), None);
            assert_eq!(decoder.finish().unwrap(), None);
            got
        };
        assert_eq!(messages("lines", b"a\r\n\nb"), ["a", "", "b"]);
        assert_eq!(messages("nul", b"a\0\0b"), ["a", "", "b"]);
        let header = b"content-length:2\r\nContent-Type: application/vscode-jsonrpc\r\n\r\n{}Content-Length: 0\r\n\r\n";
        assert_eq!(messages("content-length", header), ["{}", ""]);
    }
}
