//! The bytes that send and recv say to each other (README, Protocol). Pure: nothing here reads or writes,
//! and nothing that a peer can say makes it panic or ask for memory.
//!
//! Both say a [`Hello`]. Then the sender says records, each a type, a length and so many bytes: for each
//! item its [`Item`], its data in pieces, and an [`End`]; a [`Record::Bye`] after the last. The receiver
//! says one [`Answer`] to each item. All numbers are little-endian.
//!
//! Where both can, the sender offers a file itself in place of its data: the receiver accepts by
//! [`Record::Hand`], gets a descriptor of it, and says how far it has got by [`Record::Copied`]; or it says
//! [`Record::Chunks`], at any time before it has copied all.

use byteorder::{ByteOrder, LE};

/// What every hello begins with: by it a peer that speaks something else is known at its first bytes.
pub const MAGIC: &[u8; 8] = b"pipetool";
/// The version of the protocol that is spoken here: of two sides the lower one's counts.
pub const VERSION: u16 = 1;
/// How long a hello is.
pub const HELLO_SIZE: usize = 16;
/// How long a record's head is: its type, and the length of what follows.
pub const HEAD_SIZE: usize = 5;
/// The most that a record of data holds; a receiver need not take more.
pub const MOST_DATA: usize = 1 << 20;
/// The most that any other record holds: a file's name is much shorter.
pub const MOST_WORDS: usize = 1 << 14;

/// An item's record up to its name.
const ITEM_SIZE: usize = 38;
const SIZE_KNOWN: u8 = 1;
const MODE_KNOWN: u8 = 2;
const TIME_KNOWN: u8 = 4;
const SPARSE: u8 = 8;
const OFFERED: u8 = 16;
/// The capability of handing over a file itself, or of taking one.
pub const HANDS_FILES: u32 = 1;

/// What a side does in a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It has items.
    Sender,
    /// It wants them.
    Receiver,
}

/// The first thing that a side says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The highest version that it speaks.
    pub version: u16,
    /// What it does.
    pub role: Role,
    /// What else it can do, a bit each; unknown ones are ignored.
    pub capabilities: u32,
}

/// What a peer says that this protocol does not have: a sentence's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonsense(pub String);

impl Hello {
    /// As it is sent.
    #[must_use]
    pub fn bytes(&self) -> [u8; HELLO_SIZE] {
        let mut bytes = [0; HELLO_SIZE];
        bytes[..8].copy_from_slice(MAGIC);
        LE::write_u16(&mut bytes[8..10], self.version);
        bytes[10] = if self.role == Role::Sender { b'S' } else { b'R' };
        LE::write_u32(&mut bytes[12..], self.capabilities);
        bytes
    }

    /// What `bytes` say, if they are a hello.
    ///
    /// # Errors
    /// Another beginning, version 0, or no role.
    pub fn parse(bytes: &[u8; HELLO_SIZE]) -> Result<Self, Nonsense> {
        let role = match bytes[10] {
            b'S' => Role::Sender,
            b'R' => Role::Receiver,
            _ => return Err(nonsense("a hello without a role")),
        };
        let version = LE::read_u16(&bytes[8..10]);
        if bytes[..8] != MAGIC[..] || version == 0 {
            return Err(nonsense("a hello of another kind"));
        }
        Ok(Hello { version, role, capabilities: LE::read_u32(&bytes[12..]) })
    }
}

/// Can `bytes`, as far as they have come, be the beginning of a hello?
#[must_use]
pub fn may_be_hello(bytes: &[u8]) -> bool {
    bytes.iter().zip(MAGIC).all(|(got, wanted)| got == wanted)
}

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// The next item begins: an [`Item`].
    Item,
    /// Bytes of the item.
    Data,
    /// The item is whole: an [`End`].
    End,
    /// The item cannot be sent to its end: why, in UTF-8.
    Abort,
    /// There are no more items.
    Bye,
    /// What became of an item: an [`Answer`].
    Answer,
    /// The file that was offered is wanted; and then the same from the sender, with a descriptor of it.
    Hand,
    /// So many bytes of it are copied: 8 bytes.
    Copied,
    /// Its data is wanted after all.
    Chunks,
}

const RECORDS: [(u8, Record); 9] = [
    (b'I', Record::Item),
    (b'D', Record::Data),
    (b'E', Record::End),
    (b'X', Record::Abort),
    (b'B', Record::Bye),
    (b'A', Record::Answer),
    (b'H', Record::Hand),
    (b'K', Record::Copied),
    (b'C', Record::Chunks),
];

impl Record {
    /// The head in front of `length` bytes, of which no record has more than 4 GiB.
    #[must_use]
    pub fn head(self, length: usize) -> [u8; HEAD_SIZE] {
        let mut head = [0; HEAD_SIZE];
        head[0] = RECORDS.iter().find(|(_, record)| *record == self).map_or(0, |(letter, _)| *letter);
        LE::write_u32(&mut head[1..], u32::try_from(length).unwrap_or(u32::MAX));
        head
    }

    /// The record that `head` begins, and how many bytes follow.
    ///
    /// # Errors
    /// A type that does not exist, or more bytes than it may have.
    pub fn parse(head: &[u8; HEAD_SIZE]) -> Result<(Self, usize), Nonsense> {
        let Some(&(_, record)) = RECORDS.iter().find(|(letter, _)| *letter == head[0]) else {
            return Err(nonsense(&format!("a record of the unknown type {}", head[0])));
        };
        let most = if record == Record::Data { MOST_DATA } else { MOST_WORDS };
        match usize::try_from(LE::read_u32(&head[1..])) {
            Ok(length) if length <= most => Ok((record, length)),
            _ => Err(nonsense("a record that is longer than it may be")),
        }
    }
}

/// What kind of thing an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// A file, with a name.
    File,
    /// A text that was typed.
    Text,
    /// What came from stdin.
    Stream,
}

const KINDS: [(u8, ItemKind); 3] = [(b'F', ItemKind::File), (b'T', ItemKind::Text), (b'S', ItemKind::Stream)];

/// What is known of an item before its bytes come. None of it is to be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// Its name, of a file alone: bytes as the sender's system has them.
    pub name: Vec<u8>,
    /// How many bytes it has, where that is known.
    pub size: Option<u64>,
    /// Its permission bits.
    pub mode: Option<u32>,
    /// When it was last changed: seconds and nanoseconds since 1970.
    pub modified: Option<(i64, u32)>,
    /// Does it have holes?
    pub sparse: bool,
    /// Can the file itself be had, in place of its bytes?
    pub offered: bool,
    /// How many items are to come, with this one (0 if that is not known) ...
    pub items_left: u32,
    /// ... and how many bytes they have together.
    pub bytes_left: Option<u64>,
}

impl Item {
    /// One of which nothing is known but what it is.
    #[must_use]
    pub fn unknown(kind: ItemKind) -> Self {
        Item {
            kind,
            name: Vec::new(),
            size: None,
            mode: None,
            modified: None,
            sparse: false,
            offered: false,
            items_left: 0,
            bytes_left: None,
        }
    }

    /// As it is sent, without its record's head.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let flag = |is_known, flag| if is_known { flag } else { 0 };
        let mut bytes = vec![0; ITEM_SIZE];
        bytes[0] = KINDS.iter().find(|(_, kind)| *kind == self.kind).map_or(0, |(letter, _)| *letter);
        bytes[1] = flag(self.size.is_some(), SIZE_KNOWN)
            | flag(self.mode.is_some(), MODE_KNOWN)
            | flag(self.modified.is_some(), TIME_KNOWN)
            | flag(self.sparse, SPARSE)
            | flag(self.offered, OFFERED);
        let (seconds, nanoseconds) = self.modified.unwrap_or_default();
        LE::write_u64(&mut bytes[2..], self.size.unwrap_or(0));
        LE::write_u32(&mut bytes[10..], self.mode.unwrap_or(0));
        LE::write_i64(&mut bytes[14..], seconds);
        LE::write_u32(&mut bytes[22..], nanoseconds);
        LE::write_u32(&mut bytes[26..], self.items_left);
        LE::write_u64(&mut bytes[30..], self.bytes_left.unwrap_or(u64::MAX));
        bytes.extend_from_slice(&self.name);
        bytes
    }

    /// What `bytes` say of an item.
    ///
    /// # Errors
    /// Too few of them, or a kind that does not exist.
    pub fn parse(bytes: &[u8]) -> Result<Self, Nonsense> {
        let Some((head, name)) = bytes.split_at_checked(ITEM_SIZE) else {
            return Err(nonsense("an item that is cut short"));
        };
        let Some(&(_, kind)) = KINDS.iter().find(|(letter, _)| *letter == head[0]) else {
            return Err(nonsense(&format!("an item of the unknown kind {}", head[0])));
        };
        let known = |flag| head[1] & flag != 0;
        Ok(Item {
            kind,
            name: name.to_vec(),
            size: known(SIZE_KNOWN).then(|| LE::read_u64(&head[2..])),
            mode: known(MODE_KNOWN).then(|| LE::read_u32(&head[10..])),
            modified: known(TIME_KNOWN).then(|| (LE::read_i64(&head[14..]), LE::read_u32(&head[22..]))),
            sparse: known(SPARSE),
            offered: known(OFFERED),
            items_left: LE::read_u32(&head[26..]),
            bytes_left: Some(LE::read_u64(&head[30..])).filter(|&bytes| bytes != u64::MAX),
        })
    }
}

/// What an item came to, by which the receiver knows that it has all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// How many bytes there were.
    pub count: u64,
    /// Their CRC-32, zlib's.
    pub crc: u32,
}

/// Counts the bytes of an item as they pass.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    count: u64,
    crc: crc32fast::Hasher,
}

impl Tally {
    /// The next bytes have passed.
    pub fn add(&mut self, bytes: &[u8]) {
        self.count += bytes.len() as u64;
        self.crc.update(bytes);
    }

    /// What all of them come to.
    #[must_use]
    pub fn end(self) -> End {
        End { count: self.count, crc: self.crc.finalize() }
    }
}

impl End {
    /// As it is sent, without its record's head.
    #[must_use]
    pub fn bytes(&self) -> [u8; 12] {
        let mut bytes = [0; 12];
        LE::write_u64(&mut bytes, self.count);
        LE::write_u32(&mut bytes[8..], self.crc);
        bytes
    }

    /// What `bytes` say of the end.
    ///
    /// # Errors
    /// Another length than it has.
    pub fn parse(bytes: &[u8]) -> Result<Self, Nonsense> {
        match bytes.len() {
            12 => Ok(End { count: LE::read_u64(bytes), crc: LE::read_u32(&bytes[8..]) }),
            _ => Err(nonsense("an end of another length")),
        }
    }
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is where it should be.
    Saved,
    /// The same, and the receiver wants no more.
    SavedAndEnough,
    /// It is not: why, for the sender's user.
    Failed(String),
}

impl Answer {
    /// As it is sent, without its record's head.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Answer::Saved => vec![0],
            Answer::Failed(why) => {
                let most = (0..MOST_WORDS).rev().find(|&end| why.is_char_boundary(end)).unwrap_or(0);
                [&[1], &why.as_bytes()[..most]].concat()
            }
            Answer::SavedAndEnough => vec![2],
        }
    }

    /// What `bytes` answer.
    ///
    /// # Errors
    /// None of the answers that there are.
    pub fn parse(bytes: &[u8]) -> Result<Self, Nonsense> {
        match bytes.split_first() {
            Some((0, [])) => Ok(Answer::Saved),
            Some((1, why)) => Ok(Answer::Failed(String::from_utf8_lossy(why).into_owned())),
            Some((2, [])) => Ok(Answer::SavedAndEnough),
            _ => Err(nonsense("an answer that does not exist")),
        }
    }
}

fn nonsense(what: &str) -> Nonsense {
    Nonsense(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a stranger would write who has read the README.
    #[test]
    fn the_bytes_are_those_of_the_readme() {
        let hello = Hello { version: 1, role: Role::Sender, capabilities: 0 };
        assert_eq!(&hello.bytes(), b"pipetool\x01\0S\0\0\0\0\0");
        let item = Item {
            kind: ItemKind::File,
            name: b"hi.txt".to_vec(),
            size: Some(2),
            mode: Some(0o644),
            modified: Some((1, 2)),
            sparse: false,
            offered: false,
            items_left: 1,
            bytes_left: Some(2),
        };
        let bytes =
            b"F\x07\x02\0\0\0\0\0\0\0\xa4\x01\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0hi.txt";
        assert_eq!(item.bytes(), bytes);
        assert_eq!(Record::Item.head(bytes.len()), *b"I\x2c\0\0\0");
        assert_eq!(Record::Data.head(2), *b"D\x02\0\0\0");
        let end = End { count: 2, crc: crc32fast::hash(b"hi") };
        assert_eq!(&end.bytes(), b"\x02\0\0\0\0\0\0\0\xac\x2a\x93\xd8");
        assert_eq!(Answer::Failed("no".into()).bytes(), b"\x01no");
    }

    #[test]
    fn a_plain_peer_is_known_at_its_first_bytes() {
        assert!(may_be_hello(b"") && may_be_hello(b"pipe") && may_be_hello(b"pipetool\x01\0R\0"));
        assert!(!may_be_hello(b"HTTP/1.1") && !may_be_hello(b"pipes"));
    }

    #[test]
    fn a_long_reason_is_cut_between_two_characters() {
        let bytes = Answer::Failed("ä".repeat(MOST_WORDS)).bytes();
        assert!(bytes.len() <= MOST_WORDS);
        assert!(matches!(Answer::parse(&bytes), Ok(Answer::Failed(why)) if why.chars().all(|c| c == 'ä')));
    }

    fn item() -> impl Strategy<Value = Item> {
        let kind = prop::sample::select(&[ItemKind::File, ItemKind::Text, ItemKind::Stream][..]);
        let known = (any::<Option<u64>>(), any::<Option<u32>>(), any::<Option<(i64, u32)>>(), any::<(bool, bool)>());
        let left = (any::<u32>(), prop::option::of(0..u64::MAX));
        (kind, prop::collection::vec(any::<u8>(), 0..300), known, left).prop_map(|(kind, name, known, left)| {
            let ((size, mode, modified, (sparse, offered)), (items_left, bytes_left)) = (known, left);
            Item { kind, name, size, mode, modified, sparse, offered, items_left, bytes_left }
        })
    }

    proptest! {
        #[test]
        fn an_item_comes_out_as_it_went_in(item in item()) {
            prop_assert_eq!(Item::parse(&item.bytes()), Ok(item));
        }

        /// Whatever comes: no panic, and what is understood can be said again.
        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(item) = Item::parse(&bytes) {
                prop_assert_eq!(Item::parse(&item.bytes()), Ok(item));
            }
            if let Some(Ok((record, length))) = bytes.first_chunk().map(Record::parse) {
                prop_assert_eq!(&record.head(length)[..], &bytes[..HEAD_SIZE]);
            }
            let _ = (End::parse(&bytes), Answer::parse(&bytes), bytes.first_chunk().map(Hello::parse));
        }
    }
}
