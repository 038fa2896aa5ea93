//! The two ends of a pump: reading and writing some bytes, whatever kind of file it is, without ever
//! sleeping in the call and without touching O_NONBLOCK, which stdin and stdout share with others; and
//! telling the other side when that is over.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, IsTerminal};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{ChildStdin, ChildStdout};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::FileType;
use rustix::io::{Errno, ReadWriteFlags};
use rustix::net::{RecvFlags, SendFlags, Shutdown};

use super::packets;
use super::pump::{CLOSED, poll, wanted};
use super::stdio;
use super::stream::Socket;
use super::wake::Wake;

/// Large enough that the system calls are few, small enough for a processor's cache.
const BUFFER_SIZE: usize = 256 * 1024;
/// What a pipe that poll calls writable takes without sleeping (pipe(7): POSIX's `PIPE_BUF`).
const PIPE_BUF: usize = 4096;

/// Whose file it is decides what ending it means.
#[derive(Debug)]
enum Handle {
    /// stdin or stdout, which belong to the process.
    Standard(BorrowedFd<'static>),
    /// Ours alone: the other side sees it close.
    Owned(OwnedFd),
    /// A connection's, whose other half may still be in use.
    Socket(Arc<Socket>),
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Handle::Standard(fd) => *fd,
            Handle::Owned(fd) => fd.as_fd(),
            Handle::Socket(socket) => socket.as_fd(),
        }
    }
}

/// What a file is decides which call on it never sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// send and recv have a flag for it.
    Socket,
    /// The same, and each call moves one message.
    Packets,
    /// preadv2 and pwritev2 have one too (Linux; not for a FIFO, and only the call can tell).
    Pipe,
    /// A FIFO, or a pipe on a system without that flag: small pieces, each after poll.
    SmallPieces,
    /// What we opened ourselves, non-blocking: nobody else can change that.
    NonBlocking,
    /// Reading it in the background would stop us (SIGTTIN), and poll calls it writable for a single byte
    /// (which is what we write where we could not open it anew, non-blocking).
    Terminal,
    /// Regular files and devices: never long.
    File,
}

impl Kind {
    fn of(fd: BorrowedFd<'_>) -> Kind {
        match rustix::fs::fstat(fd).map(|found| FileType::from_raw_mode(found.st_mode)) {
            Ok(FileType::Socket) => Kind::Socket,
            Ok(FileType::Fifo) if cfg!(target_os = "linux") => Kind::Pipe,
            Ok(FileType::Fifo) => Kind::SmallPieces,
            Ok(FileType::CharacterDevice) if fd.is_terminal() => Kind::Terminal,
            _ => Kind::File,
        }
    }
}

/// Where bytes come from. What was taken from it and could not be delivered stays with it: a server's
/// stdin goes on with the next client.
#[derive(Debug)]
pub(crate) struct Source {
    handle: Handle,
    kind: Kind,
    buffer: Vec<u8>,
    taken: Range<usize>,
    ended: bool,
    /// Did the last call of fill take anything, be it an empty message?
    filled: bool,
    /// Once this is given, it ends when nothing is left in it.
    over: Option<Arc<Wake>>,
}

impl Source {
    /// This process's stdin. Rust has opened /dev/null before main where it was closed.
    pub(crate) fn stdin() -> Self {
        Source::new(Handle::Standard(rustix::stdio::stdin()))
    }

    /// A file that is ours to close.
    pub(super) fn owned(fd: OwnedFd) -> Self {
        Source::new(Handle::Owned(fd))
    }

    /// What a child writes.
    pub(crate) fn child_output(output: ChildStdout) -> Self {
        Source::owned(output.into())
    }

    /// What a child writes through a handle of its own, until `over`.
    pub(super) fn from_child(fd: OwnedFd, over: Arc<Wake>) -> Self {
        Source { over: Some(over), ..Source::owned(fd) }
    }

    /// A file to be read.
    pub(crate) fn file(file: File) -> Self {
        Source::owned(file.into())
    }

    /// What the peer of a connection sends.
    pub(super) fn socket(socket: Arc<Socket>) -> Self {
        Source::new(Handle::Socket(socket))
    }

    fn new(handle: Handle) -> Self {
        let kind = Kind::of(handle.as_fd());
        Source { handle, kind, buffer: vec![0; BUFFER_SIZE], taken: 0..0, ended: false, filled: false, over: None }
    }

    /// Bytes taken and not delivered.
    pub(crate) fn undelivered(&self) -> &[u8] {
        &self.buffer[self.taken.clone()]
    }

    /// How many bytes are still to come, where a file says so.
    pub(crate) fn length(&self) -> Option<u64> {
        let found = rustix::fs::fstat(&self.handle).ok()?;
        let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
        let (size, at) = (u64::try_from(found.st_size).ok()?, rustix::fs::tell(&self.handle).ok()?);
        is_file.then(|| size.saturating_sub(at))
    }

    /// Takes no more: whoever writes there learns that nobody reads.
    pub(crate) fn close(self) {
        match self.handle {
            Handle::Standard(_) => drop(stdio::close_stdin()),
            Handle::Owned(fd) => drop(fd),
            Handle::Socket(socket) => socket.shutdown(Shutdown::Read),
        }
    }

    /// What says that no more will come.
    pub(super) fn over(&self) -> Option<BorrowedFd<'_>> {
        self.over.as_ref().map(|over| over.as_fd())
    }

    /// Has the end of data been seen?
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// What the last call of fill has taken, which may be an empty message; nothing if it took nothing.
    pub(super) fn has_taken(&self) -> Option<&[u8]> {
        self.filled.then(|| self.undelivered())
    }

    pub(super) fn took_nothing(&mut self) {
        self.filled = false;
    }

    pub(super) fn forget_taken(&mut self) {
        self.filled = false;
        self.taken = 0..0;
    }

    pub(super) fn delivered(&mut self, count: usize) {
        self.taken.start += count;
    }

    /// Each read of it is a message.
    pub(super) fn packets(socket: Arc<Socket>) -> Self {
        Source { kind: Kind::Packets, ..Source::socket(socket) }
    }

    /// Reads what is there; the end of data is noted. Only called when nothing is undelivered.
    pub(super) fn fill(&mut self) -> Result<(), Errno> {
        if self.kind == Kind::Packets {
            let received = packets::receive(self.handle.as_fd(), &mut self.buffer)?;
            self.taken = 0..received.unwrap_or(0);
            self.ended = received.is_none();
            self.filled = true;
            return Ok(());
        }
        let read = match self.read() {
            Err(Errno::OPNOTSUPP) if self.kind == Kind::Pipe => {
                self.kind = Kind::SmallPieces;
                self.read()?
            }
            read => read?,
        };
        self.taken = 0..read;
        self.ended = read == 0;
        self.filled = true;
        Ok(())
    }

    fn read(&mut self) -> Result<usize, Errno> {
        let (fd, buffer) = (self.handle.as_fd(), &mut self.buffer[..]);
        match self.kind {
            Kind::Socket | Kind::Packets => rustix::net::recv(fd, buffer, RecvFlags::DONTWAIT).map(|(read, _)| read),
            Kind::Pipe => read_without_waiting(fd, buffer),
            Kind::SmallPieces | Kind::NonBlocking | Kind::Terminal | Kind::File => rustix::io::read(fd, buffer),
        }
    }

    /// Is this a terminal that another process group has? Then reading it would stop us in the middle
    /// of a transfer (or fail with EIO where SIGTTIN is blocked).
    pub(super) fn is_for_others(&self) -> bool {
        self.kind == Kind::Terminal
            && rustix::termios::tcgetpgrp(&self.handle).is_ok_and(|group| group != rustix::process::getpgrp())
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// Where bytes go.
#[derive(Debug)]
pub(crate) struct Sink {
    handle: Handle,
    kind: Kind,
    /// A terminal, opened anew: with a write of more than it has room for, the shared one could sleep.
    terminal: Option<OwnedFd>,
    /// Once this is given, nobody reads any more.
    over: Option<Arc<Wake>>,
}

impl Sink {
    /// This process's stdout. Rust has opened /dev/null before main where it was closed.
    pub(crate) fn stdout() -> Self {
        Sink::new(Handle::Standard(rustix::stdio::stdout()))
    }

    /// A file that is ours to close.
    pub(super) fn owned(fd: OwnedFd) -> Self {
        Sink::new(Handle::Owned(fd))
    }

    /// A FIFO that we opened ourselves, non-blocking.
    pub(super) fn fifo(fd: OwnedFd) -> Self {
        Sink { handle: Handle::Owned(fd), kind: Kind::NonBlocking, terminal: None, over: None }
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
        Sink::new(Handle::Socket(socket))
    }

    fn new(handle: Handle) -> Self {
        let kind = Kind::of(handle.as_fd());
        let terminal = if kind == Kind::Terminal { stdio::open_terminal(handle.as_fd()) } else { None };
        Sink { handle, kind: if terminal.is_some() { Kind::NonBlocking } else { kind }, terminal, over: None }
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
        let over = self.over().unwrap_or(self.as_fd());
        match poll([(self.as_fd(), PollFlags::empty()), (over, wanted(self.over()))], Some(pause)) {
            Ok([reader, over]) => reader.intersects(CLOSED) || over.contains(PollFlags::IN),
            Err(_) => false,
        }
    }

    /// Each write to it is a message.
    pub(super) fn packets(socket: Arc<Socket>) -> Self {
        Sink { kind: Kind::Packets, ..Sink::socket(socket) }
    }

    /// Each write to it is a message, which nobody answers.
    pub(super) fn datagrams(socket: OwnedFd) -> Self {
        Sink { kind: Kind::Packets, ..Sink::owned(socket) }
    }

    /// The greatest message that it takes.
    pub(super) fn largest_message(&self) -> usize {
        packets::largest(self.handle.as_fd())
    }

    /// What says that nobody reads any more.
    pub(super) fn over(&self) -> Option<BorrowedFd<'_>> {
        self.over.as_ref().map(|over| over.as_fd())
    }

    pub(super) fn is_socket(&self) -> bool {
        matches!(self.kind, Kind::Socket | Kind::Packets)
    }

    /// Has poll to say that there is room before each write?
    pub(super) fn needs_poll_first(&self) -> bool {
        matches!(self.kind, Kind::SmallPieces | Kind::Terminal)
    }

    /// Writes as much of `bytes` as there is room for.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        let fd = self.terminal.as_ref().map_or(self.handle.as_fd(), AsFd::as_fd);
        match self.kind {
            Kind::Socket | Kind::Packets => rustix::net::send(fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
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

impl AsFd for Sink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.terminal.as_ref().map_or(self.handle.as_fd(), AsFd::as_fd)
    }
}

/// preadv2 and pwritev2 take this offset as "where the file is", which is all a pipe knows.
#[cfg(target_os = "linux")]
const HERE: u64 = u64::MAX;

#[cfg(target_os = "linux")]
fn read_without_waiting(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    rustix::io::preadv2(fd, &mut [IoSliceMut::new(buffer)], HERE, ReadWriteFlags::NOWAIT)
}

#[cfg(target_os = "linux")]
fn write_without_waiting(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    rustix::io::pwritev2(fd, &[IoSlice::new(bytes)], HERE, ReadWriteFlags::NOWAIT)
}

#[cfg(not(target_os = "linux"))]
fn read_without_waiting(_: BorrowedFd<'_>, _: &mut [u8]) -> Result<usize, Errno> {
    Err(Errno::OPNOTSUPP)
}

#[cfg(not(target_os = "linux"))]
fn write_without_waiting(_: BorrowedFd<'_>, _: &[u8]) -> Result<usize, Errno> {
    Err(Errno::OPNOTSUPP)
}
