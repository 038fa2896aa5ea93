//! Bytes that the kernel moves from one end of a pump to the other, without a copy in our memory (Linux).
//!
//! One step along a way, and what becomes of it where there is none: the plain calls go on from any point, with not
//! a byte lost. Which way two ends have says ways.rs; the waiting is the pump's.
//!
//! No call here sleeps. One that did would hold the pipe's lock, and the user's *other* programs on that pipe would
//! be in state D, which nothing can kill. SPLICE_F_NONBLOCK keeps it from waiting for a pipe, O_NONBLOCK (which our
//! sockets have) for a socket; the former alone does not do the latter's work. A call moves no more than a piece,
//! so that the wake signal and the meter are looked at in between.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;

use super::sink::Sink;
use super::source::Source;
use super::ways::Way;
use crate::os::Ended;

/// What one call moves at most: many times what a pipe or a socket takes at once.
const PIECE: usize = 1 << 20;

/// A system call that moves bytes from one file to another: how many did.
pub(super) type Call = fn(BorrowedFd<'_>, BorrowedFd<'_>) -> Result<usize, Errno>;

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// What was there has moved.
    Moved,
    /// There is no room for more.
    Full,
    /// The end of data, a refusal, an error: the plain calls meet it again, and know whose it is.
    Refused,
}

impl Way {
    /// Moves what is there, or takes it: poll said that there is something, or room for what was there. `count` is told
    /// of what has moved.
    pub(super) fn step(
        &mut self,
        source: &mut Source,
        sink: &mut Sink,
        count: &mut dyn FnMut(usize),
    ) -> Result<Step, Ended> {
        let step = match self {
            Way::Plain => Step::Refused,
            Way::Straight(straight) => straight.step(source, sink, count)?,
            Way::Through(pipe) => pipe.step(source, sink, count)?,
        };
        if step != Step::Refused {
            return Ok(step);
        }
        self.give_back(source)?;
        *self = Way::Plain;
        if source.undelivered().is_empty() {
            source.take()?;
        }
        Ok(Step::Moved)
    }

    /// What is on its way, or waits for room, is the source's: the next client gets it, or its loss is known.
    pub(super) fn give_back(&mut self, source: &mut Source) -> Result<(), Ended> {
        match self {
            Way::Straight(straight) if straight.waits_for_room => drop(source.take()),
            Way::Through(pipe) if pipe.held > 0 => {
                source.take_back(&pipe.reader, std::mem::take(&mut pipe.held)).map_err(Ended::ReadFailed)?;
            }
            Way::Plain | Way::Straight(_) | Way::Through(_) => {}
        }
        Ok(())
    }

    /// The pipe on the way that is ours.
    pub(super) fn own_pipe(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Way::Through(pipe) => Some(pipe.writer.as_fd()),
            Way::Plain | Way::Straight(_) => None,
        }
    }
}

/// One call from the source to the sink.
pub(super) struct Straight {
    call: Call,
    waits_for_room: bool,
}

impl Straight {
    pub(super) fn by(call: Call) -> Self {
        Straight { call, waits_for_room: false }
    }

    fn step(&mut self, source: &Source, sink: &Sink, count: &mut dyn FnMut(usize)) -> Result<Step, Ended> {
        let moved = (self.call)(source.as_fd(), sink.as_fd());
        // EAGAIN does not say whose: the sink's, as there was something, and after it had room the source's, as others
        // have taken that.
        self.waits_for_room = moved == Err(Errno::AGAIN) && !self.waits_for_room;
        match moved {
            Err(Errno::AGAIN) if self.waits_for_room => Ok(Step::Full),
            Err(Errno::CONNRESET) if sink.is_socket() => Err(Ended::WriteFailed(Errno::CONNRESET.into())),
            Err(Errno::CONNRESET) => Err(Ended::ReadFailed(Errno::CONNRESET.into())),
            moved => Ok(outcome(moved, count)),
        }
    }
}

fn outcome(moved: Result<usize, Errno>, count: &mut dyn FnMut(usize)) -> Step {
    match moved {
        Ok(0) => Step::Refused,
        Ok(moved) => {
            count(moved);
            Step::Moved
        }
        Err(Errno::AGAIN | Errno::INTR) => Step::Moved,
        Err(_) => Step::Refused,
    }
}

/// A pipe of our own, between two files of which neither is one.
pub(super) struct OwnPipe {
    reader: PipeReader,
    writer: PipeWriter,
    /// So many bytes are in it.
    held: usize,
}

impl OwnPipe {
    pub(super) fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        Ok(OwnPipe { reader, writer, held: 0 })
    }

    fn step(&mut self, source: &Source, sink: &Sink, count: &mut dyn FnMut(usize)) -> Result<Step, Ended> {
        if self.held == 0 {
            match splice(source.as_fd(), self.writer.as_fd()) {
                Err(Errno::CONNRESET) => return Err(Ended::ReadFailed(Errno::CONNRESET.into())),
                Err(error) => return Ok(outcome(Err(error), count)),
                Ok(0) => return Ok(Step::Refused),
                Ok(held) => self.held = held,
            }
        }
        self.empty_into(sink, count)
    }

    /// Delivers what is in it, as far as the sink goes along.
    fn empty_into(&mut self, sink: &Sink, count: &mut dyn FnMut(usize)) -> Result<Step, Ended> {
        while self.held > 0 {
            match splice(self.reader.as_fd(), sink.as_fd()) {
                Ok(0) => return Ok(Step::Refused),
                Ok(moved) => {
                    self.held -= moved;
                    count(moved);
                }
                Err(Errno::AGAIN) => return Ok(Step::Full),
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) => return Err(Ended::WriteFailed(Errno::CONNRESET.into())),
                Err(_) => return Ok(Step::Refused),
            }
        }
        Ok(Step::Moved)
    }
}

#[cfg(target_os = "linux")]
pub(super) fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<usize, Errno> {
    rustix::pipe::splice(from, None, to, None, PIECE, rustix::pipe::SpliceFlags::NONBLOCK)
}

/// To a non-blocking socket: there it does not wait.
#[cfg(target_os = "linux")]
pub(super) fn send_file(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<usize, Errno> {
    rustix::fs::sendfile(to, from, None, PIECE)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn splice(_: BorrowedFd<'_>, _: BorrowedFd<'_>) -> Result<usize, Errno> {
    Err(Errno::NOSYS)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn send_file(_: BorrowedFd<'_>, _: BorrowedFd<'_>) -> Result<usize, Errno> {
    Err(Errno::NOSYS)
}
