//! The hub's own side: stdin, whose messages go to the clients, and stdout, which gets what they say.

use std::io;

use super::label::{self, To};
use super::queue::Batch;
use super::wire::Wire;
use super::{Failure, Terms};
use crate::framing::{Reader, give_back};
use crate::os::{Gave, Sink, Source, Took};

/// As much may wait for stdout before the clients have to.
const ENOUGH: usize = 256 * 1024;

/// This process's stdin and stdout, with what was taken or is to be written.
pub(super) struct Desk {
    pub(super) source: Option<Source>,
    pub(super) sink: Sink,
    wire: Wire,
    largest: usize,
    labelled: bool,
    reader: Reader,
    /// Messages of stdin so far.
    read: u64,
    unwritten: Vec<u8>,
    written: usize,
}

/// Messages from stdin for the same clients.
pub(super) struct Said {
    pub(super) to: To,
    pub(super) batch: Batch,
}

/// A message of stdin that cannot be sent: its number, and half a sentence.
pub(super) type Unsaid = (u64, String);

impl Desk {
    pub(super) fn new(source: Source, sink: Sink, terms: &Terms) -> Self {
        Desk {
            source: Some(source).filter(|_| terms.direction.sends()),
            sink,
            wire: terms.stdio,
            largest: terms.largest,
            labelled: terms.labelled,
            reader: terms.stdio.reader(terms.largest),
            read: 0,
            unwritten: Vec::new(),
            written: 0,
        }
    }

    /// Takes what stdin has: messages for the clients in `said`, those that cannot be sent in `unsaid`. `pack`
    /// puts a message into a batch as the pipe has it.
    ///
    /// # Errors
    /// What ends stdin before its end.
    pub(super) fn read(
        &mut self,
        said: &mut Vec<Said>,
        unsaid: &mut Vec<Unsaid>,
        pack: impl Fn(&mut Batch, &[u8]) -> Result<(), String>,
    ) -> Result<(), Failure> {
        let Some(source) = &mut self.source else { return Ok(()) };
        let took = source.take_now();
        let (wire, largest, labelled, count) = (self.wire, self.largest, self.labelled, &mut self.read);
        let mut each = |text: &[u8]| {
            *count += 1;
            if let Err(why) = say(text, wire, largest, labelled, said, &pack) {
                unsaid.push((*count, why));
            }
            Ok(())
        };
        let read = match took {
            Took::Some(_) => self.reader.push(source.undelivered(), &mut each),
            Took::End => self.reader.finish(&mut each),
            Took::NotYet => return Ok(()),
            Took::Failed(error) => return Err(Failure::Stdin(error)),
        };
        self.reader.give_back();
        source.let_go();
        if matches!(took, Took::End) {
            self.source = None;
        }
        read.map_err(Failure::Malformed)
    }

    /// Puts a client's message behind what is to be written.
    pub(super) fn put(&mut self, client: u64, message: &[u8]) -> Result<(), String> {
        if self.labelled {
            self.wire.encode_labelled(&label::of(client), message, &mut self.unwritten)
        } else {
            self.wire.encode(message, &mut self.unwritten)
        }
    }

    pub(super) fn has_unwritten(&self) -> bool {
        self.written < self.unwritten.len()
    }

    /// Is there room for what clients say?
    pub(super) fn has_room(&self) -> bool {
        self.unwritten.len() - self.written < ENOUGH
    }

    /// Writes what there is room for: false when nobody reads any more.
    pub(super) fn write(&mut self) -> io::Result<bool> {
        while self.has_unwritten() {
            match self.sink.give_now(&self.unwritten[self.written..]) {
                Gave::Some(count) => self.written += count,
                Gave::Full | Gave::TooLong => break,
                Gave::Closed => return Ok(false),
                Gave::Failed(error) => return Err(error),
            }
            if self.sink.asks_first() {
                break;
            }
        }
        // What was written makes room once it is more than what is left.
        if self.written * 2 >= self.unwritten.len() {
            self.unwritten.drain(..self.written);
            self.written = 0;
            give_back(&mut self.unwritten);
        }
        Ok(true)
    }
}

/// Puts one message of stdin with those that go to the same clients.
fn say(
    text: &[u8],
    wire: Wire,
    largest: usize,
    labelled: bool,
    said: &mut Vec<Said>,
    pack: impl Fn(&mut Batch, &[u8]) -> Result<(), String>,
) -> Result<(), String> {
    let (to, text) = if labelled {
        label::split(text).ok_or("does not begin with '#CLIENT ', or with '#* ' for all")?
    } else {
        (To::All, text)
    };
    let message = wire.decode(text)?;
    if message.len() > largest {
        return Err(format!("has {} bytes, more than {largest} (--max-message)", message.len()));
    }
    if said.last().is_none_or(|last| last.to != to) {
        said.push(Said { to, batch: Batch::default() });
    }
    said.last_mut().map_or(Ok(()), |last| pack(&mut last.batch, &message))
}
