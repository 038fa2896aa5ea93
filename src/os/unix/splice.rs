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

use super::pump::{take, wait_for_room};
use super::sink::Sink;
use super::source::Source;
use super::wake::Wake;
use super::ways::Way;
use crate::os::{Ended, Watch};

/// What one call moves at most: many times what a pipe or a socket takes at once.
const PIECE: usize = 1 << 20;

/// A system call that moves bytes from one file to another: how many did.
pub(super) type Call = fn(BorrowedFd<'_>, BorrowedFd<'_>) -> Result<usize, Errno>;

impl Way {
    /// Moves what is there, or takes it: poll said that there is something.
    pub(super) fn step(
        &mut self,
        source: &mut Source,
        sink: &mut Sink,
        wake: &Wake,
        watch: Watch<'_>,
    ) -> Result<(), Ended> {
        let goes_on = match self {
            Way::Plain => false,
            Way::Straight(call) => straight(*call, source, sink, wake, watch)?,
            Way::Through(pipe) => pipe.carry(source, sink, wake, watch)?,
        };
        if !goes_on {
            // The end of data, a refusal, an error: the plain calls meet it again, and know whose it is.
            *self = Way::Plain;
            if source.undelivered().is_empty() {
                take(source)?;
            }
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

/// One call from the source to the sink. What waits for room counts as taken, though it is not: when the wait ends
/// otherwise, the next client gets it, or its loss is known.
fn straight(call: Call, source: &mut Source, sink: &mut Sink, wake: &Wake, watch: Watch<'_>) -> Result<bool, Ended> {
    let mut moved = call(source.as_fd(), sink.as_fd());
    if moved == Err(Errno::AGAIN) {
        wait_for_room(sink, wake).inspect_err(|_| drop(take(source)))?;
        moved = call(source.as_fd(), sink.as_fd());
    }
    match moved {
        Err(Errno::CONNRESET) if sink.is_socket() => Err(Ended::WriteFailed(Errno::CONNRESET.into())),
        Err(Errno::CONNRESET) => Err(Ended::ReadFailed(Errno::CONNRESET.into())),
        moved => Ok(has_moved(moved, watch)),
    }
}

/// Tells of what was moved. May the same call be made again?
fn has_moved(moved: Result<usize, Errno>, watch: Watch<'_>) -> bool {
    match moved {
        Ok(0) => false,
        Ok(count) => {
            (watch.count)(count);
            true
        }
        Err(error) => matches!(error, Errno::AGAIN | Errno::INTR),
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

    fn carry(&mut self, source: &mut Source, sink: &mut Sink, wake: &Wake, watch: Watch<'_>) -> Result<bool, Ended> {
        match splice(source.as_fd(), self.writer.as_fd()) {
            Ok(0) => return Ok(false),
            Ok(count) => self.held = count,
            Err(Errno::CONNRESET) => return Err(Ended::ReadFailed(Errno::CONNRESET.into())),
            Err(error) => return Ok(has_moved(Err(error), watch)),
        }
        let emptied = self.empty_into(sink, wake, watch);
        self.give_back(source)?;
        emptied
    }

    /// Delivers what is in it, as far as the sink goes along.
    fn empty_into(&mut self, sink: &mut Sink, wake: &Wake, watch: Watch<'_>) -> Result<bool, Ended> {
        while self.held > 0 {
            let moved = splice(self.reader.as_fd(), sink.as_fd());
            match moved {
                Err(Errno::AGAIN) => wait_for_room(sink, wake)?,
                Err(Errno::CONNRESET) => return Err(Ended::WriteFailed(Errno::CONNRESET.into())),
                moved if !has_moved(moved, watch) => return Ok(false),
                moved => self.held -= moved.unwrap_or(0),
            }
        }
        Ok(true)
    }

    /// What could not be delivered stays with its source.
    fn give_back(&mut self, source: &mut Source) -> Result<(), Ended> {
        match std::mem::take(&mut self.held) {
            0 => Ok(()),
            held => source.take_back(&self.reader, held).map_err(Ended::ReadFailed),
        }
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
