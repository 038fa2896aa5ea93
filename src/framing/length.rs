//! A length field: of which type, how many bytes before it, and what the length leaves out or counts too.
//! `TYPE@OFFSET±N`: a frame is OFFSET bytes, the field, then (value ± N) bytes; the message is the frame
//! without its field.

use std::fmt;
use std::str::FromStr;

use byteorder::{BE, ByteOrder, LE};

use super::Unframable;

/// The largest OFFSET and N: every protocol's header is shorter.
const LARGEST: usize = 65_536;

/// The type of the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// One byte.
    U8,
    /// Two, the low one first.
    U16Le,
    /// Two, the high one first (network order).
    U16Be,
    /// Three, the low one first (`MySQL`).
    U24Le,
    /// Three, the high one first.
    U24Be,
    /// Four, the low one first (`BitConverter`).
    U32Le,
    /// Four, the high one first.
    U32Be,
    /// Eight, the low one first.
    U64Le,
    /// Eight, the high one first.
    U64Be,
}

/// Every type by its name.
const WIDTHS: [(&str, Width); 9] = [
    ("u8", Width::U8),
    ("u16le", Width::U16Le),
    ("u16be", Width::U16Be),
    ("u24le", Width::U24Le),
    ("u24be", Width::U24Be),
    ("u32le", Width::U32Le),
    ("u32be", Width::U32Be),
    ("u64le", Width::U64Le),
    ("u64be", Width::U64Be),
];

impl Width {
    /// How many bytes.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Width::U8 => 1,
            Width::U16Le | Width::U16Be => 2,
            Width::U24Le | Width::U24Be => 3,
            Width::U32Le | Width::U32Be => 4,
            Width::U64Le | Width::U64Be => 8,
        }
    }

    fn largest(self) -> u64 {
        u64::MAX >> (64 - 8 * self.bytes())
    }

    fn read(self, field: &[u8]) -> u64 {
        match self {
            Width::U8 => field[0].into(),
            Width::U16Le | Width::U24Le | Width::U32Le | Width::U64Le => LE::read_uint(field, self.bytes()),
            Width::U16Be | Width::U24Be | Width::U32Be | Width::U64Be => BE::read_uint(field, self.bytes()),
        }
    }

    fn write(self, field: &mut [u8], value: u64) {
        match self {
            Width::U8 => field[0] = value.to_le_bytes()[0],
            Width::U16Le | Width::U24Le | Width::U32Le | Width::U64Le => LE::write_uint(field, value, self.bytes()),
            Width::U16Be | Width::U24Be | Width::U32Be | Width::U64Be => BE::write_uint(field, value, self.bytes()),
        }
    }
}

/// Where the length stands, and what it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthField {
    width: Width,
    /// Bytes before the field, which belong to the message.
    offset: usize,
    /// What has to be added to the value to have the number of bytes after the field.
    adjust: i64,
}

impl LengthField {
    /// A field in front of everything that counts what follows.
    #[must_use]
    pub fn plain(width: Width) -> Self {
        LengthField { width, offset: 0, adjust: 0 }
    }

    pub(super) fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Unframable> {
        let Some((header, body)) = message.split_at_checked(self.offset) else {
            return Err(Unframable(format!("has fewer than the {} bytes that come before the length", self.offset)));
        };
        let value = i64::try_from(body.len()).ok().and_then(|length| u64::try_from(length - self.adjust).ok());
        let Some(value) = value.filter(|&value| value <= self.width.largest()) else {
            return Err(Unframable(format!("is {} bytes long, which '{self}' cannot say", message.len())));
        };
        out.extend_from_slice(header);
        let field = out.len();
        out.resize(field + self.width.bytes(), 0);
        self.width.write(&mut out[field..], value);
        out.extend_from_slice(body);
        Ok(())
    }

    /// Bytes that have to be there before the length is known.
    pub(super) fn head(&self) -> usize {
        self.offset + self.width.bytes()
    }

    /// The bytes that follow the head, as it announces; nothing if that would be less than none.
    pub(super) fn announced(&self, head: &[u8]) -> Option<u64> {
        self.width.read(&head[self.offset..]).checked_add_signed(self.adjust)
    }

    /// Moves the bytes before the field next to those after it: where the message begins then.
    pub(super) fn drop_field(&self, frame: &mut [u8]) -> usize {
        frame.copy_within(..self.offset, self.width.bytes());
        self.width.bytes()
    }
}

impl FromStr for LengthField {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected none, {}, or TYPE@OFFSET+N such as u32le@6+4", super::NAMES.join(", "));
        let end = text.find(['@', '+', '-']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let &(_, width) = WIDTHS.iter().find(|(known, _)| *known == name).ok_or_else(expected)?;
        let (offset, adjust) = match rest.strip_prefix('@') {
            Some(rest) => rest.split_at(rest.find(['+', '-']).unwrap_or(rest.len())),
            None => ("0", rest),
        };
        let number = |digits: &str| digits.parse().ok().filter(|&number| number <= LARGEST).ok_or_else(expected);
        let offset = number(offset)?;
        let adjust = match adjust.split_at_checked(1) {
            None => 0,
            Some(("+", digits)) => i64::try_from(number(digits)?).map_err(|_| expected())?,
            Some((_, digits)) => {
                let less = number(digits)?;
                if less > offset + width.bytes() {
                    return Err(format!(
                        "a length cannot count more than is before its end: at most -{} here",
                        offset + width.bytes()
                    ));
                }
                -i64::try_from(less).map_err(|_| expected())?
            }
        };
        Ok(LengthField { width, offset, adjust })
    }
}

impl fmt::Display for LengthField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = WIDTHS.iter().find(|(_, width)| *width == self.width).map_or("", |(name, _)| name);
        f.write_str(name)?;
        if self.offset > 0 {
            write!(f, "@{}", self.offset)?;
        }
        if self.adjust != 0 {
            write!(f, "{:+}", self.adjust)?;
        }
        Ok(())
    }
}
