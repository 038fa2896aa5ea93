//! What the two ends of a pump have in common: what kind of file one is decides how it is read and
//! written without ever sleeping in the call, and without touching O_NONBLOCK, which stdin and stdout share
//! with others; whose it is, what ending it means.

use std::io::{IoSlice, IoSliceMut, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::FileType;
use rustix::io::{Errno, ReadWriteFlags};
use rustix::net::SocketType;

use super::stream::Socket;

/// Whose file it is decides what ending it means.
#[derive(Debug)]
pub(super) enum Handle {
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
pub(super) enum Kind {
    /// send and recv have a flag for it.
    Socket,
    /// The same, and each call moves one message.
    Packets,
    /// The same, and no message is the end of input.
    Datagrams,
    /// preadv2 and pwritev2 have one too (Linux; not for a FIFO).
    Pipe,
    /// A FIFO, or a pipe on a system without that flag: small pieces, each after poll. Where others have the same end,
    /// they may have been faster, and the call sleeps.
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
    pub(super) fn of(fd: BorrowedFd<'_>) -> Kind {
        match rustix::fs::fstat(fd).map(|found| FileType::from_raw_mode(found.st_mode)) {
            Ok(FileType::Socket) => match rustix::net::sockopt::socket_type(fd) {
                Ok(SocketType::SEQPACKET) => Kind::Packets,
                Ok(SocketType::DGRAM) => Kind::Datagrams,
                _ => Kind::Socket,
            },
            Ok(FileType::Fifo) if is_anonymous(fd) => Kind::Pipe,
            Ok(FileType::Fifo) => Kind::SmallPieces,
            Ok(FileType::CharacterDevice) if fd.is_terminal() => Kind::Terminal,
            _ => Kind::File,
        }
    }

    /// Does each call move one message?
    pub(super) fn keeps_messages(self) -> bool {
        matches!(self, Kind::Packets | Kind::Datagrams)
    }

    /// May a call on it sleep in spite of poll? Through the kernel alone no FIFO's does, only by `plain` calls.
    pub(super) fn may_sleep(self, plain: bool) -> bool {
        match self {
            Kind::File | Kind::Terminal => true,
            Kind::SmallPieces => plain,
            Kind::Socket | Kind::Packets | Kind::Datagrams | Kind::Pipe | Kind::NonBlocking => false,
        }
    }
}

/// A pipe without a name is in a file system of its own (`PIPEFS_MAGIC` of linux/magic.h).
#[cfg(target_os = "linux")]
fn is_anonymous(pipe: BorrowedFd<'_>) -> bool {
    rustix::fs::fstatfs(pipe).is_ok_and(|found| u64::try_from(found.f_type) == Ok(0x5049_5045))
}

#[cfg(not(target_os = "linux"))]
fn is_anonymous(_: BorrowedFd<'_>) -> bool {
    false
}

/// What every pipe holds that nobody has asked for more or less: 16 pages.
#[cfg(target_os = "linux")]
const USUAL_PIPE: usize = 64 * 1024;
/// Larger ones were no faster (cat FILE | X | X | cat at 64 KiB: 1,692 MiB/s, 128: 2,114, 256: 2,349, 512: 2,298,
/// 1,024: 2,365), and a plain user has 64 MiB in all: beyond that every new pipe of theirs is small.
#[cfg(target_os = "linux")]
const LARGE_PIPE: usize = 256 * 1024;

/// Has a pipe hold more, but not where somebody chose the size. A refusal is no error, nor is a file that is no pipe.
#[cfg(target_os = "linux")]
pub(super) fn enlarge(pipe: BorrowedFd<'_>) {
    if rustix::pipe::fcntl_getpipe_size(pipe) == Ok(USUAL_PIPE) {
        let _ = rustix::pipe::fcntl_setpipe_size(pipe, LARGE_PIPE);
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn enlarge(_: BorrowedFd<'_>) {}

/// preadv2 and pwritev2 take this offset as "where the file is", which is all a pipe knows.
#[cfg(target_os = "linux")]
const HERE: u64 = u64::MAX;

#[cfg(target_os = "linux")]
pub(super) fn read_without_waiting(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    rustix::io::preadv2(fd, &mut [IoSliceMut::new(buffer)], HERE, ReadWriteFlags::NOWAIT)
}

#[cfg(target_os = "linux")]
pub(super) fn write_without_waiting(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    rustix::io::pwritev2(fd, &[IoSlice::new(bytes)], HERE, ReadWriteFlags::NOWAIT)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn read_without_waiting(_: BorrowedFd<'_>, _: &mut [u8]) -> Result<usize, Errno> {
    Err(Errno::OPNOTSUPP)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn write_without_waiting(_: BorrowedFd<'_>, _: &[u8]) -> Result<usize, Errno> {
    Err(Errno::OPNOTSUPP)
}
