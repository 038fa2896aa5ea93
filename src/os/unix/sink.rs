//! The end of a pump that bytes go to.

use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ChildStdin;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};

use super::ends::{Handle, Kind, write_without_waiting};
use super::poll::{CLOSED, poll_present};
use super::stream::Socket;
use super::wake::Wake;
use super::{packets, stdio};
use crate::os::Ended;

/// What a pipe that poll calls writable takes without sleeping (pipe(7): POSIX's `PIPE_BUF`).
const PIPE_BUF: usize = 4096;

/// What a socket that keeps messages apart gets at once of bytes that are no messages. A reader loses what it has no
/// room for, and C's stdio has room for this much.
const PIECE: usize = 4096;

/// Where bytes go.
#[derive(Debug)]
pub(crate) struct Sink {
    handle: Handle,
    kind: Kind,
    /// Is each write a message, where the kind keeps messages apart?
    whole: bool,
    /// A terminal, opened anew: with a write of more than it has room for, the shared one could sleep.
    terminal: Option<OwnedFd>,
    /// Once this is given, nobody reads any more.
    over: Option<Arc<Wake>>,
}

impl Sink {
    /// This process's stdout. Rust has opened /dev/null before main where it was closed.
    pub(crate) fn stdout() -> Self {
        let stdout = rustix::stdio::stdout();
        Sink::new(Handle::Standard(stdout), Kind::of(stdout))
    }

    /// A file that is ours to close.
    pub(super) fn owned(fd: OwnedFd) -> Self {
        let kind = Kind::of(fd.as_fd());
        Sink::new(Handle::Owned(fd), kind)
    }

    /// A FIFO that we opened ourselves, non-blocking.
    pub(super) fn fifo(fd: OwnedFd) -> Self {
        Sink::new(Handle::Owned(fd), Kind::NonBlocking)
    }

    /// What a child reads.
    pub(crate) fn child_input(input: ChildStdin) -> Self {
        Sink::owned(input.into())
    }

    /// What a child reads through a handle of its own, until `over`.
    pub(super) fn to_child(fd: OwnedFd, over: Arc<Wake>) -> Self {
        Sink { over: Some(over), ..Sink::owned(fd) }
    }

    /// A file to be written to.
    pub(crate) fn file(file: File) -> Self {
        Sink::owned(file.into())
    }

    /// What the peer of a connection receives.
    pub(super) fn socket(socket: Arc<Socket>) -> Self {
        Sink::new(Handle::Socket(socket), Kind::Socket)
    }

    /// The same, where each write is a message.
    pub(super) fn packets(socket: Arc<Socket>) -> Self {
        Sink { whole: true, ..Sink::new(Handle::Socket(socket), Kind::Packets) }
    }

    /// Each write to it is a message, which nobody answers.
    pub(super) fn datagrams(socket: OwnedFd) -> Self {
        Sink { whole: true, ..Sink::new(Handle::Owned(socket), Kind::Datagrams) }
    }

    fn new(handle: Handle, kind: Kind) -> Self {
        let terminal = if kind == Kind::Terminal { stdio::open_terminal(handle.as_fd()) } else { None };
        let kind = if terminal.is_some() { Kind::NonBlocking } else { kind };
        Sink { handle, kind, whole: false, terminal, over: None }
    }

    /// Can each write be a message?
    pub(crate) fn keeps_messages(&self) -> bool {
        self.kind.keeps_messages()
    }

    /// Makes each write a message, where the file keeps messages apart.
    pub(crate) fn write_messages(&mut self) {
        self.whole = true;
    }

    /// Tells whoever reads there that no more comes.
    pub(crate) fn finish(self) {
        match self.handle {
            Handle::Standard(_) => drop(stdio::finish_stdout()),
            Handle::Owned(fd) => drop(fd),
            Handle::Socket(socket) => socket.shutdown(Shutdown::Write),
        }
    }

    /// Waits for `pause`, or until nobody reads any more: did that happen?
    pub(crate) fn closes_within(&self, pause: Duration) -> bool {
        match poll_present([(Some(self.as_fd()), PollFlags::empty()), (self.over(), PollFlags::IN)], Some(pause)) {
            Ok([reader, over]) => reader.intersects(CLOSED) || over.contains(PollFlags::IN),
            Err(_) => false,
        }
    }

    /// What says that nobody reads any more.
    pub(super) fn over(&self) -> Option<BorrowedFd<'_>> {
        self.over.as_ref().map(|over| over.as_fd())
    }

    /// May a call on it sleep in spite of poll?
    pub(super) fn may_sleep(&self, plain: bool) -> bool {
        self.kind.may_sleep(plain)
    }

    pub(super) fn is_socket(&self) -> bool {
        matches!(self.kind, Kind::Socket | Kind::Packets | Kind::Datagrams)
    }

    /// Writes as much as there is room for, nothing where there is none. Where only poll can say that there is some, it
    /// has said so for one write.
    pub(super) fn give(&mut self, bytes: &[u8], has_room: &mut bool) -> Result<Option<usize>, Ended> {
        if self.needs_poll_first() && !mem::take(has_room) {
            return Ok(None);
        }
        loop {
            match self.write(bytes) {
                Ok(count) => return Ok(Some(count)),
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(Errno::PIPE) => return Err(Ended::SinkClosed),
                Err(error) => return Err(Ended::WriteFailed(self.error_of(error, bytes.len()))),
            }
        }
    }

    /// Why a write of so many bytes failed, in the user's words where the kernel's would not help.
    fn error_of(&self, error: Errno, length: usize) -> io::Error {
        match error {
            Errno::MSGSIZE | Errno::NOBUFS => {
                let instead = if let Handle::Standard(_) = self.handle { "'--stdio length'" } else { "a --framing" };
                io::Error::other(format!(
                    "a message of {length} bytes is more than the kernel takes ({}): {instead} has no such limit",
                    packets::largest(self.handle.as_fd())
                ))
            }
            error => error.into(),
        }
    }

    /// Has poll to say that there is room before each write?
    pub(super) fn needs_poll_first(&self) -> bool {
        matches!(self.kind, Kind::SmallPieces | Kind::Terminal)
    }

    /// Writes as much of `bytes` as there is room for.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        let fd = self.as_fd();
        match self.kind {
            // An empty message would be none of the bytes.
            Kind::Packets | Kind::Datagrams if !self.whole && bytes.is_empty() => Ok(0),
            Kind::Packets | Kind::Datagrams if !self.whole => send(fd, &bytes[..bytes.len().min(PIECE)]),
            Kind::Socket | Kind::Packets | Kind::Datagrams => send(fd, bytes),
            Kind::Pipe => match write_without_waiting(fd, bytes) {
                Err(Errno::OPNOTSUPP) => {
                    self.kind = Kind::SmallPieces;
                    Err(Errno::AGAIN) // poll first from now on
                }
                written => written,
            },
            Kind::SmallPieces => rustix::io::write(fd, &bytes[..bytes.len().min(PIPE_BUF)]),
            Kind::Terminal => rustix::io::write(fd, &bytes[..1]),
            Kind::NonBlocking | Kind::File => rustix::io::write(fd, bytes),
        }
    }
}

fn send(socket: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    rustix::net::send(socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
}

impl AsFd for Sink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.terminal.as_ref().map_or(self.handle.as_fd(), AsFd::as_fd)
    }
}
