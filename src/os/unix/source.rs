//! The end of a pump that bytes come from.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ChildStdout;
use std::sync::Arc;

use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown};

use super::ends::{Handle, Kind, read_without_waiting};
use super::stream::Socket;
use super::wake::Wake;
use super::{packets, stdio};
use crate::os::Ended;

/// Large enough that the system calls are few, small enough for a processor's cache.
const BUFFER_SIZE: usize = 256 * 1024;
/// What is allocated until that has been full.
const FIRST_SIZE: usize = 16 * 1024;

/// Where bytes come from. What was taken from it and could not be delivered stays with it: a server's
/// stdin goes on with the next client.
#[derive(Debug)]
pub(crate) struct Source {
    handle: Handle,
    kind: Kind,
    /// Empty until something is read, and small until that fills it.
    buffer: Vec<u8>,
    taken: Range<usize>,
    ended: bool,
    /// Once this is given, it ends when nothing is left in it.
    over: Option<Arc<Wake>>,
}

impl Source {
    /// This process's stdin. Rust has opened /dev/null before main where it was closed.
    pub(crate) fn stdin() -> Self {
        let stdin = rustix::stdio::stdin();
        Source::new(Handle::Standard(stdin), Kind::of(stdin))
    }

    /// A file that is ours to close.
    pub(super) fn owned(fd: OwnedFd) -> Self {
        let kind = Kind::of(fd.as_fd());
        Source::new(Handle::Owned(fd), kind)
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
        Source::new(Handle::Socket(socket), Kind::Socket)
    }

    /// The same, where each read is a message.
    pub(super) fn packets(socket: Arc<Socket>) -> Self {
        Source::new(Handle::Socket(socket), Kind::Packets)
    }

    fn new(handle: Handle, kind: Kind) -> Self {
        Source { handle, kind, buffer: Vec::new(), taken: 0..0, ended: false, over: None }
    }

    /// Is each read a message?
    pub(crate) fn keeps_messages(&self) -> bool {
        self.kind.keeps_messages()
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

    /// Is there more to be taken at this very moment? Nobody knows of a device, and what is typed may be for others.
    pub(crate) fn has_more(&self) -> bool {
        self.kind != Kind::Terminal
            && !self.ended
            && rustix::io::ioctl_fionread(&self.handle).is_ok_and(|bytes| bytes > 0)
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

    /// May a call on it sleep in spite of poll?
    pub(super) fn may_sleep(&self, plain: bool) -> bool {
        self.kind.may_sleep(plain)
    }

    /// Has the end of data been seen?
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// So many of them have arrived where they should.
    pub(crate) fn delivered(&mut self, count: usize) {
        self.taken.start += count;
    }

    /// Reads what is there; the end of data is noted. Only called when nothing is undelivered.
    pub(super) fn fill(&mut self) -> Result<(), Errno> {
        self.make_room();
        let read = match self.read() {
            Err(Errno::OPNOTSUPP) if self.kind == Kind::Pipe => {
                self.kind = Kind::SmallPieces;
                self.read()?
            }
            read => read?,
        };
        self.taken = 0..read.unwrap_or(0);
        self.ended = read.is_none();
        Ok(())
    }

    /// Reads what is there: poll said that there is something. Was there?
    pub(super) fn take(&mut self) -> Result<bool, Ended> {
        match self.fill() {
            Ok(()) => Ok(true),
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(Errno::IO) if self.is_for_others() => Ok(false),
            Err(error) => Err(Ended::ReadFailed(error.into())),
        }
    }

    /// The first read may well be all: a message, or the end of what the kernel has moved.
    fn make_room(&mut self) {
        let size = if self.buffer.is_empty() { FIRST_SIZE } else { BUFFER_SIZE };
        if self.taken.end == self.buffer.len() && self.buffer.len() < size {
            self.buffer = vec![0; size];
        }
    }

    /// Takes back `count` bytes that had gone another way, now to be read from `there`. Only called when nothing is
    /// undelivered.
    pub(super) fn take_back(&mut self, mut there: impl Read, count: usize) -> io::Result<()> {
        self.buffer.resize(count.max(BUFFER_SIZE), 0);
        there.read_exact(&mut self.buffer[..count])?;
        self.taken = 0..count;
        Ok(())
    }

    /// Nothing at the end of data: a message may be empty.
    fn read(&mut self) -> Result<Option<usize>, Errno> {
        let (fd, buffer) = (self.handle.as_fd(), &mut self.buffer[..]);
        let read = match self.kind {
            Kind::Packets => return packets::receive(fd, &mut self.buffer),
            Kind::Datagrams => return packets::receive_datagram(fd, &mut self.buffer),
            Kind::Socket => rustix::net::recv(fd, buffer, RecvFlags::DONTWAIT)?.0,
            Kind::Pipe => read_without_waiting(fd, buffer)?,
            Kind::SmallPieces | Kind::NonBlocking | Kind::Terminal | Kind::File => rustix::io::read(fd, buffer)?,
        };
        Ok(Some(read).filter(|&read| read > 0))
    }

    /// Is this a terminal that another process group has? Then reading it would stop us in the middle
    /// of a transfer (or fail with EIO where SIGTTIN is blocked).
    pub(super) fn is_for_others(&self) -> bool {
        self.kind == Kind::Terminal && stdio::is_for_others(self.handle.as_fd())
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}
