//! Framings: how messages are delimited on a pipe that carries bytes.
//!
//! Nothing here does I/O. Bytes are pushed into a [`Decoder`] and messages come out, [`Framing::encode`] puts a message
//! behind others; a [`Reader`] and a [`Form`] know stdin's and stdout's forms as well, and a [`Translator`] is the way
//! from one to the other. Whoever moves the bytes uses the same ones.

mod decoder;
mod form;
mod length;
mod reader;
mod translator;

use std::fmt;
use std::io::Write as _;
use std::str::FromStr;

pub use decoder::{Decoder, Lie};
pub use form::Form;
pub use length::{LengthField, Width};
pub use reader::Reader;
pub use translator::{Problem, Translator};

/// Every framing that is a word. Those of a length take `@OFFSET+N` besides: see [`LengthField`].
pub const NAMES: [&str; 16] = [
    "length",
    "u8",
    "u16le",
    "u16be",
    "u24le",
    "u24be",
    "u32le",
    "u32be",
    "u64le",
    "u64be",
    "varint",
    "lines",
    "crlf",
    "nul",
    "netstring",
    "content-length",
];

/// How one message is told from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A length in front, at a place of its own.
    Length(LengthField),
    /// A length in front as LEB128, seven bits a byte and the low ones first: .NET's `BinaryWriter`.
    Varint,
    /// A newline at the end; a carriage return before it is dropped on reading.
    Lines,
    /// A carriage return and a newline at the end.
    Crlf,
    /// A zero byte at the end.
    Nul,
    /// `5:hello,` (<https://cr.yp.to/proto/netstrings.txt>).
    Netstring,
    /// `Content-Length: 5`, an empty line, then the message: the Language Server Protocol's header part.
    ContentLength,
}

/// Why a message cannot be sent in a framing: half a sentence about the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unframable(String);

impl Framing {
    /// Appends `message` to `out`.
    ///
    /// # Errors
    /// What the framing cannot say: a length that its field does not hold, a delimiter inside.
    pub fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Unframable> {
        let refused = |why: &str| Err(Unframable(why.to_owned()));
        match self {
            Framing::Length(field) => return field.encode(message, out),
            Framing::Varint => {
                let mut rest = message.len();
                while rest >= 0x80 {
                    out.push(rest.to_le_bytes()[0] | 0x80);
                    rest >>= 7;
                }
                out.push(rest.to_le_bytes()[0]);
                out.extend_from_slice(message);
            }
            Framing::Lines => {
                if message.contains(&b'\n') {
                    return refused("holds a newline, which ends a message here");
                }
                if message.ends_with(b"\r") {
                    return refused("ends in a carriage return, which readers of lines drop");
                }
                out.extend_from_slice(message);
                out.push(b'\n');
            }
            Framing::Crlf => {
                if message.windows(2).any(|pair| pair == b"\r\n") {
                    return refused("holds a carriage return and a newline, which end a message here");
                }
                out.extend_from_slice(message);
                out.extend_from_slice(b"\r\n");
            }
            Framing::Nul => {
                if message.contains(&0) {
                    return refused("holds a zero byte, which ends a message here");
                }
                out.extend_from_slice(message);
                out.push(0);
            }
            Framing::Netstring => {
                append(out, format_args!("{}:", message.len()));
                out.extend_from_slice(message);
                out.push(b',');
            }
            Framing::ContentLength => {
                append(out, format_args!("Content-Length: {}\r\n\r\n", message.len()));
                out.extend_from_slice(message);
            }
        }
        Ok(())
    }
}

fn append(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    // Writing into memory does not fail.
    let _ = out.write_fmt(text);
}

impl FromStr for Framing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "varint" => Framing::Varint,
            "lines" => Framing::Lines,
            "crlf" => Framing::Crlf,
            "nul" => Framing::Nul,
            "netstring" => Framing::Netstring,
            "content-length" => Framing::ContentLength,
            // What BitConverter writes where .NET runs.
            "length" => Framing::Length(LengthField::plain(Width::U32Le)),
            _ => Framing::Length(text.parse()?),
        })
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Framing::Length(field) => field.fmt(f),
            Framing::Varint => f.write_str("varint"),
            Framing::Lines => f.write_str("lines"),
            Framing::Crlf => f.write_str("crlf"),
            Framing::Nul => f.write_str("nul"),
            Framing::Netstring => f.write_str("netstring"),
            Framing::ContentLength => f.write_str("content-length"),
        }
    }
}

impl fmt::Display for Unframable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// So much a buffer keeps for the next message: to ask for it anew each time would cost more than it is worth.
const KEPT: usize = 1 << 20;

/// Gives back what one large message took of memory, once little of it is still in use.
pub(crate) fn give_back(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT && buffer.len() < buffer.capacity() / 4 {
        buffer.shrink_to(KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(framing: &str, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        framing.parse::<Framing>().unwrap().encode(message, &mut out).unwrap();
        out
    }

    #[test]
    fn the_wire_is_what_others_write() {
        for (framing, message, wire) in [
            ("u8", &b"hi"[..], &b"\x02hi"[..]),
            ("u16le", b"hi", b"\x02\0hi"),
            ("u16be", b"hi", b"\0\x02hi"),
            ("u24le", b"hi", b"\x02\0\0hi"),
            ("length", b"hi", b"\x02\0\0\0hi"),
            ("u32be", b"", b"\0\0\0\0"),
            ("u64be", b"h", b"\0\0\0\0\0\0\0\x01h"),
            ("varint", b"hi", b"\x02hi"),
            ("lines", b"hi", b"hi\n"),
            ("crlf", b"hi", b"hi\r\n"),
            ("nul", b"hi", b"hi\0"),
            ("netstring", b"hello", b"5:hello,"),
            ("content-length", b"{}", b"Content-Length: 2\r\n\r\n{}"),
            // i3: six bytes of magic, the payload's length, then a type of four bytes that it leaves out.
            ("u32le@6+4", b"i3-ipc\x04\0\0\0", b"i3-ipc\0\0\0\0\x04\0\0\0"),
            ("u32le@4", b"\x01\0\0\0{}", b"\x01\0\0\0\x02\0\0\0{}"),
            // .NET's diagnostics: the size is that of the whole.
            ("u16le@14-16", b"DOTNET_IPC_V1\0\x04\x01\0\0", b"DOTNET_IPC_V1\0\x14\0\x04\x01\0\0"),
            ("u32be@1-4", b"Qx", b"Q\0\0\0\x05x"),
        ] {
            assert_eq!(encoded(framing, message), wire, "{framing}");
        }
        assert_eq!(&encoded("varint", &[b'x'; 300])[..3], b"\xac\x02x");
    }

    #[test]
    fn what_cannot_be_said_is_refused() {
        for (framing, message) in [
            ("u8", &[0; 256][..]),
            ("lines", b"a\nb"),
            ("lines", b"a\r"),
            ("crlf", b"a\r\nb"),
            ("nul", b"a\0b"),
            ("u32le@6+4", b"short"),
            ("u32le+4", b"123"),
        ] {
            let framing: Framing = framing.parse().unwrap();
            assert!(framing.encode(message, &mut Vec::new()).is_err(), "{framing}");
        }
    }

    #[test]
    fn names_are_read_and_shown() {
        for name in
            ["u8", "u16le", "u24be", "u64le", "u32le@6+4", "u16le@14-16", "varint", "lines", "crlf", "nul", "netstring"]
        {
            assert_eq!(name.parse::<Framing>().unwrap().to_string(), name);
        }
        for wrong in ["", "u12", "u32", "u32le@", "u32le@x", "u32le@1+", "u32le-5", "u32be@1-6", "line", "u8@99999999"]
        {
            assert!(wrong.parse::<Framing>().is_err(), "{wrong}");
        }
    }
}
