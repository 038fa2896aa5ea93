//! A connection on which two sides take turns: records are said and heard, whole or not at all. What they
//! mean is left to the sender and the receiver.

use std::fs::File;
use std::io;
use std::time::Duration;

use super::Trouble;
use super::wire::{HEAD_SIZE, Record};
use crate::os::{self, Connection, Sink, Source, Stopped};
use crate::pipe::PipeEnds;

/// A connection to a peer that speaks the protocol.
#[derive(Debug)]
pub(crate) struct Channel {
    source: Option<Source>,
    sink: Option<Sink>,
    connection: Connection,
    /// How long the peer may be silent, or not listen.
    patience: Option<Duration>,
}

impl Channel {
    /// Over `ends`, with a peer that may let us wait for `patience`.
    pub(crate) fn new(ends: PipeEnds, patience: Option<Duration>) -> Self {
        Channel { source: ends.source, sink: ends.sink, connection: ends.connection, patience }
    }

    /// Can the peer answer?
    pub(crate) fn hears(&self) -> bool {
        self.source.is_some()
    }

    /// Can we say anything to it?
    pub(crate) fn speaks(&self) -> bool {
        self.sink.is_some()
    }

    /// Who reads what we say.
    pub(crate) fn sink(&self) -> Option<&Sink> {
        self.sink.as_ref()
    }

    /// Says `words` as they are.
    pub(crate) fn say(&mut self, words: &[u8]) -> Result<(), Trouble> {
        self.say_counted(words, &|_| {})
    }

    /// The same, and tells `count` of each part that was taken.
    pub(crate) fn say_counted(&mut self, words: &[u8], count: &dyn Fn(usize)) -> Result<(), Trouble> {
        let Some(sink) = &mut self.sink else { return Err(Trouble::Gone) };
        os::give_all(sink, words, self.patience, count).map_err(not_said)
    }

    /// Says a whole record.
    pub(crate) fn say_record(&mut self, record: Record, words: &[u8]) -> Result<(), Trouble> {
        self.say(&[&record.head(words.len())[..], words].concat())
    }

    /// The head of the next record, or nothing where the peer has ended before it. That nobody reads from
    /// `watched` any more ends the wait.
    pub(crate) fn hear_head(&mut self, watched: Option<&Sink>) -> Result<Option<(Record, usize)>, Trouble> {
        let mut head = [0; HEAD_SIZE];
        if self.hear(watched)?.is_none() {
            return Ok(None);
        }
        self.hear_into(&mut head)?;
        Record::parse(&head).map(Some).map_err(Trouble::from)
    }

    /// The `length` bytes of a record that is short.
    pub(crate) fn hear_words(&mut self, length: usize) -> Result<Vec<u8>, Trouble> {
        let mut words = vec![0; length];
        self.hear_into(&mut words)?;
        Ok(words)
    }

    fn hear_into(&mut self, mut words: &mut [u8]) -> Result<(), Trouble> {
        while !words.is_empty() {
            let heard = self.hear(None)?.ok_or(Trouble::Gone)?;
            let count = heard.len().min(words.len());
            words[..count].copy_from_slice(&heard[..count]);
            words = &mut words[count..];
            self.heard(count);
        }
        Ok(())
    }

    /// What the peer has said and was not dealt with: bytes, or a message, which may be empty. Nothing at its end.
    pub(crate) fn hear(&mut self, watched: Option<&Sink>) -> Result<Option<&[u8]>, Trouble> {
        let Some(source) = &mut self.source else { return Ok(None) };
        match os::take_some(source, watched, self.patience) {
            Ok(()) => Ok(Some(source.undelivered())),
            Err(Stopped::Ended) => Ok(None),
            Err(Stopped::Closed) => Err(Trouble::StdoutClosed),
            Err(Stopped::TimedOut) => Err(Trouble::Silent),
            Err(Stopped::Failed(error)) => Err(lost(error, "could not receive")),
        }
    }

    /// So much of it was.
    pub(crate) fn heard(&mut self, count: usize) {
        self.source.iter_mut().for_each(|source| source.delivered(count));
    }

    /// Says a record without words, and `file` itself with it.
    pub(crate) fn give_file(&mut self, record: Record, file: &File) -> Result<(), Trouble> {
        let Some(sink) = &self.sink else { return Err(Trouble::Gone) };
        os::give_file(sink, &record.head(0), file, self.patience).map_err(not_said)
    }

    /// Hears such a record: the file.
    pub(crate) fn take_file(&mut self, record: Record) -> Result<File, Trouble> {
        let mut head = [0; HEAD_SIZE];
        let file = match &self.source {
            Some(source) if source.undelivered().is_empty() => os::take_file(source, &mut head, self.patience),
            _ => Err(Stopped::Failed(io::ErrorKind::InvalidData.into())),
        };
        match file {
            Ok(file) if head == record.head(0) => Ok(file),
            Err(Stopped::Ended | Stopped::Closed) => Err(Trouble::Gone),
            Err(Stopped::TimedOut) => Err(Trouble::Silent),
            Err(Stopped::Failed(error)) if error.kind() != io::ErrorKind::InvalidData => {
                Err(lost(error, "could not receive"))
            }
            _ => Err(Trouble::Nonsense("no file, where it had promised one".into())),
        }
    }

    /// Finishes our half, and goes on hearing.
    pub(crate) fn finish(&mut self) {
        self.sink.take().into_iter().for_each(Sink::finish);
    }

    /// Has the peer learn (ECONNRESET) that we leave what it said unread.
    pub(crate) fn leave_abruptly(&self) {
        self.connection.leave_abruptly();
    }

    /// Lets the peer be silent for so long from here on.
    pub(crate) fn set_patience(&mut self, patience: Option<Duration>) {
        self.patience = patience;
    }
}

fn not_said(stopped: Stopped) -> Trouble {
    match stopped {
        Stopped::Ended | Stopped::Closed => Trouble::Gone,
        Stopped::TimedOut => Trouble::Silent,
        Stopped::Failed(error) => lost(error, "could not send"),
    }
}

/// A reset, too, is a peer that has gone.
fn lost(error: io::Error, what: &str) -> Trouble {
    match error.kind() {
        io::ErrorKind::ConnectionReset => Trouble::Reset,
        _ => Trouble::Here(what.to_owned(), error),
    }
}
