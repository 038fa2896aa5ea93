//! Ends that one thread drives beside many others: what is there is taken, what fits is given, and nothing
//! waits. Waiting is the lookout's.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};

use super::packets;
use super::sink::Sink;
use super::source::Source;
use super::stream::Socket;
use crate::os::{Gave, Mode, Took};

/// What is read at once where each read is not a message.
const PIECE: usize = 64 * 1024;

/// A connection, without buffers of its own: there may be thousands.
#[derive(Debug)]
pub(crate) struct Link {
    socket: Arc<Socket>,
    mode: Mode,
}

impl Link {
    pub(super) fn new(socket: Arc<Socket>, mode: Mode) -> Self {
        Link { socket, mode }
    }

    /// Takes what is there, or one message, to the beginning of `buffer`, which grows as it has to: the kernel
    /// knows no message that would be too large.
    pub(crate) fn take(&self, buffer: &mut Vec<u8>, _largest: usize) -> Took {
        buffer.resize(buffer.len().max(PIECE), 0);
        let read = match self.mode {
            Mode::Message => packets::receive(self.as_fd(), buffer),
            Mode::Byte => rustix::net::recv(&self.socket, &mut buffer[..PIECE], RecvFlags::DONTWAIT)
                .map(|(read, _)| Some(read).filter(|&read| read > 0)),
        };
        match read {
            Ok(Some(count)) => Took::Some(count),
            Ok(None) => Took::End,
            Err(Errno::AGAIN | Errno::INTR) => Took::NotYet,
            Err(error) => Took::Failed(error.into()),
        }
    }

    /// Gives as much of `bytes` as fits, or the one message that it is.
    pub(crate) fn give(&self, bytes: &[u8]) -> Gave {
        gave(rustix::net::send(&self.socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL))
    }

    /// The greatest message that can be given, where there is such a limit.
    pub(crate) fn largest_message(&self) -> Option<usize> {
        (self.mode == Mode::Message).then(|| packets::largest(self.as_fd()))
    }

    /// Tells the peer that no more comes: was it told? The kernel has all that was given by then.
    pub(crate) fn finish(&self) -> bool {
        self.socket.shutdown(Shutdown::Write);
        true
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Source {
    /// Takes what is there: it is `undelivered` until `let_go`. Only called when nothing is.
    pub(crate) fn take_now(&mut self) -> Took {
        match self.fill() {
            Ok(()) if self.has_ended() => Took::End,
            Ok(()) => Took::Some(self.undelivered().len()),
            Err(Errno::AGAIN | Errno::INTR) => Took::NotYet,
            Err(Errno::IO) if self.is_for_others() => Took::NotYet,
            Err(error) => Took::Failed(error.into()),
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

    /// Is it a terminal that another job has now?
    pub(crate) fn is_taken(&self) -> bool {
        self.is_for_others()
    }
}

impl Sink {
    /// Gives as much of `bytes` as there is room for.
    pub(crate) fn give_now(&mut self, bytes: &[u8]) -> Gave {
        gave(self.write(bytes))
    }

    /// Has the lookout to say that there is room before anything is given?
    pub(crate) fn asks_first(&self) -> bool {
        self.needs_poll_first()
    }
}

fn gave(written: Result<usize, Errno>) -> Gave {
    match written {
        Ok(count) => Gave::Some(count),
        // Without memory for it now, there will be some later.
        Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS) => Gave::Full,
        Err(Errno::PIPE | Errno::CONNRESET) => Gave::Closed,
        Err(Errno::MSGSIZE) => Gave::TooLong,
        Err(error) => Gave::Failed(io::Error::from(error)),
    }
}
