//! Ends that one thread drives beside many others: what is there is taken, what fits is given, and nothing
//! waits. Waiting is the lookout's.
//!
//! Here nothing can be asked for without a call that waits for it. So a connection has a small read under way as
//! long as it is listened to, and one write; and stdin and stdout have a thread that sleeps in their calls.

use std::cell::{Cell, RefCell};
use std::os::windows::io::{AsRawHandle, RawHandle};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::call::{Call, Done};
use super::ends::Kind;
use super::lookout::Watched;
use super::pipe::There;
use super::sink::Sink;
use super::source::Source;
use super::stream::Pipe;
use super::{overlapped, pipe, sink};
use crate::os::{Gave, News, Took, Wish};

/// What a read waits with: the kernel sets as much aside for each. The rest is there already when it is over.
const FIRST: usize = 4 * 1024;
/// What is moved at once where it is no message.
const PIECE: usize = pipe::BUFFER_SIZE as usize;
/// How often a client that is not listened to is looked at: there may be thousands.
const LOOK_AT_SILENT_EVERY: Duration = Duration::from_millis(250);

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    kind: Kind,
    reading: RefCell<Call<Pipe>>,
    writing: RefCell<Call<Pipe>>,
    looked_at: Cell<Instant>,
    was_seen_gone: Cell<bool>,
}

impl Link {
    pub(super) fn new(pipe: Pipe) -> Self {
        let (kind, pipe) = (pipe.kind(), Arc::new(pipe));
        let writing = RefCell::new(Call::new(Arc::clone(&pipe)));
        let (reading, looked_at) = (RefCell::new(Call::new(pipe)), Cell::new(Instant::now()));
        Link { kind, reading, writing, looked_at, was_seen_gone: Cell::default() }
    }

    /// Takes what is there, or one message, into `buffer`: no more of it than shows that it has more than
    /// `largest` bytes.
    pub(crate) fn take(&self, buffer: &mut Vec<u8>, largest: usize) -> Took {
        let mut reading = self.reading.borrow_mut();
        if reading.is_idle() {
            reading.read(FIRST);
        }
        let Some(Done { moved, more }) = reading.take() else { return Took::NotYet };
        match moved {
            // Somebody wrote nothing, which is something where it is a message.
            Ok(0) if self.kind != Kind::Messages => Took::NotYet,
            Ok(count) => {
                buffer.clear();
                buffer.extend_from_slice(reading.bytes(count));
                match self.take_rest(reading.handle(), more, buffer, largest) {
                    Ok(()) => Took::Some(buffer.len()),
                    Err(code) => Took::Failed(overlapped::error(code)),
                }
            }
            Err(code) if pipe::says_gone(code) => Took::End,
            Err(code) => Took::Failed(overlapped::error(code)),
        }
    }

    /// Takes what is there behind a read that was full.
    fn take_rest(&self, pipe: &Arc<Pipe>, more: bool, buffer: &mut Vec<u8>, largest: usize) -> Result<(), u32> {
        let is_message = self.kind == Kind::Messages;
        let goes_on = if is_message { more && buffer.len() <= largest } else { buffer.len() == FIRST };
        let there = if goes_on { pipe::what_is_there(pipe.as_raw_handle()) } else { There::default() };
        let most = if is_message {
            there.of_message.min(largest.saturating_add(1) - buffer.len())
        } else {
            there.bytes.min(PIECE - FIRST)
        };
        if most == 0 {
            return Ok(());
        }
        let mut rest = Call::new(Arc::clone(pipe));
        rest.read(most);
        let count = rest.finish().map_or(Ok(0), |done| done.moved)?;
        buffer.extend_from_slice(rest.bytes(count));
        Ok(())
    }

    /// Gives as much of `bytes` as may be under way, or the one message that it is. What comes of it is known at
    /// the next.
    pub(crate) fn give(&self, bytes: &[u8]) -> Gave {
        let piece = if self.kind == Kind::Messages { bytes } else { &bytes[..bytes.len().min(PIECE)] };
        let mut writing = self.writing.borrow_mut();
        if writing.is_under_way() {
            return Gave::Full;
        }
        if let Some(Done { moved: Err(code), .. }) = writing.take() {
            return if pipe::says_gone(code) { Gave::Closed } else { Gave::Failed(overlapped::error(code)) };
        }
        writing.write(piece);
        Gave::Some(piece.len())
    }

    /// Windows has no limit.
    pub(crate) fn largest_message(&self) -> Option<usize> {
        None
    }

    /// The peer sees that no more comes when we leave. Is what was given on its way no more? Then we may.
    pub(crate) fn finish(&self) -> bool {
        !self.writing.borrow_mut().is_under_way()
    }

    /// Nothing tells that a peer has gone to which nothing is said, and which is not listened to.
    fn is_seen_gone(&self) -> bool {
        if self.looked_at.get().elapsed() >= LOOK_AT_SILENT_EVERY {
            self.looked_at.set(Instant::now());
            self.was_seen_gone.set(pipe::is_abandoned(self.reading.borrow().handle().as_raw_handle()));
        }
        self.was_seen_gone.get()
    }
}

impl Watched for Link {
    fn begin(&self, wish: Wish) {
        let mut reading = self.reading.borrow_mut();
        if wish.to_take && reading.is_idle() {
            reading.read(FIRST);
        }
    }

    fn news(&self, wish: Wish) -> News {
        let listens = self.reading.borrow_mut().is_under_way();
        let has_failed = |call: &RefCell<Call<Pipe>>| {
            let done = call.borrow_mut().done();
            done.is_some_and(|done| done.moved.is_err())
        };
        News {
            to_take: wish.to_take && !listens,
            to_give: wish.to_give && !self.writing.borrow_mut().is_under_way(),
            closed: has_failed(&self.reading) || has_failed(&self.writing) || !listens && self.is_seen_gone(),
        }
    }

    fn has_to_be_looked_at(&self) -> bool {
        !self.reading.borrow_mut().is_under_way()
    }
}

impl Source {
    /// Takes what is there: it is `undelivered` until `let_go`. Only called when nothing is.
    pub(crate) fn take_now(&mut self) -> Took {
        match self.fill_now() {
            Ok(false) => Took::NotYet,
            Ok(true) if self.has_ended() => Took::End,
            Ok(true) => Took::Some(self.undelivered().len()),
            Err(error) => Took::Failed(error),
        }
    }

    /// All that was taken has found its place.
    pub(crate) fn let_go(&mut self) {
        self.delivered(self.undelivered().len());
    }

    /// Has all of it been taken and found its place?
    pub(crate) fn is_exhausted(&self) -> bool {
        self.has_ended() && self.undelivered().is_empty()
    }

    /// A console has no jobs that could take it from each other.
    pub(crate) fn is_taken(&self) -> bool {
        false
    }
}

/// A thread that has not been told to read has to be: that is news too.
impl Watched for Source {
    fn news(&self, wish: Wish) -> News {
        News { to_take: wish.to_take && !self.is_busy(), ..News::default() }
    }

    fn event(&self, _: Wish) -> Option<RawHandle> {
        self.under_way()
    }

    fn has_to_be_looked_at(&self) -> bool {
        false
    }
}

impl Sink {
    /// Gives a piece of `bytes`. What comes of it is known at the next.
    pub(crate) fn give_now(&mut self, bytes: &[u8]) -> Gave {
        match self.write_now(bytes) {
            Ok(Some(count)) => Gave::Some(count),
            Ok(None) => Gave::Full,
            Err(error) if sink::says_gone(&error) => Gave::Closed,
            Err(error) => Gave::Failed(error),
        }
    }

    /// It knows itself whether there is room.
    pub(crate) fn asks_first(&self) -> bool {
        false
    }
}

impl Watched for Sink {
    fn news(&self, wish: Wish) -> News {
        News { to_give: wish.to_give && !self.is_busy(), closed: self.is_abandoned(), ..News::default() }
    }

    fn event(&self, wish: Wish) -> Option<RawHandle> {
        self.under_way().filter(|_| wish.to_give)
    }

    fn has_to_be_looked_at(&self) -> bool {
        self.may_be_abandoned()
    }
}
