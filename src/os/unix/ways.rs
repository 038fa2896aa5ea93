//! Which way bytes take from one end of a pump to the other: the one place that decides it, by what the two files
//! are. What a step along each way is, is splice.rs's.
//!
//! | from → to | by |
//! | --- | --- |
//! | regular file → socket | sendfile |
//! | regular file on a local disk → pipe | splice |
//! | pipe → socket, pipe, /dev/null, regular file on a local disk | splice |
//! | socket → pipe | splice |
//! | socket → socket, /dev/null, regular file | splice, through a pipe of our own |
//! | all else | read and write |
//!
//! A file may let its caller sleep, and a pipe's lock with it: on a disk of this machine not for long, elsewhere
//! (NFS, FUSE) for as long as others please. So a pipe that others use meets only the former, ours any.

use std::env;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, OFlags};
use rustix::net::{AddressFamily, SocketType};

use super::splice::{self, OwnPipe, Straight};

/// A way from a source to a sink.
pub(super) enum Way {
    /// Through our memory.
    Plain,
    /// By one call.
    Straight(Straight),
    /// By two, where the kernel wants a pipe between them.
    Through(OwnPipe),
}

impl Way {
    /// The way from `source` to `sink`.
    pub(super) fn between(source: BorrowedFd<'_>, sink: BorrowedFd<'_>) -> Way {
        use Nature::{File, Null, Pipe, Socket};
        if is_plain_wanted() {
            return Way::Plain;
        }
        match (Nature::of(source), Nature::of(sink)) {
            (File { .. }, Socket { takes: true }) => Way::Straight(Straight::by(splice::send_file)),
            (File { local: true, .. } | Pipe | Socket { .. }, Pipe)
            | (Pipe, Socket { takes: true } | Null | File { local: true, appends: false }) => {
                Way::Straight(Straight::by(splice::splice))
            }
            (Socket { .. }, Socket { takes: true } | Null | File { appends: false, .. }) => {
                // Out of descriptors, bytes move all the same.
                OwnPipe::new().map_or(Way::Plain, Way::Through)
            }
            _ => Way::Plain,
        }
    }
}

/// For tests: `PIPETOOL_PLAIN_IO` set to anything has all bytes go through our memory, as they do where the kernel
/// knows no other way, and no file is handed over.
pub(super) fn is_plain_wanted() -> bool {
    !cfg!(target_os = "linux") || env::var_os("PIPETOOL_PLAIN_IO").is_some()
}

/// What a file is, as far as that decides its way.
#[derive(Clone, Copy)]
enum Nature {
    /// Anonymous or a FIFO.
    Pipe,
    /// AF_UNIX, for bytes. Towards one without O_NONBLOCK splice sleeps, whatever its own flags say.
    Socket { takes: bool },
    /// A regular one. Where it only grows (O_APPEND) splice is refused.
    File { local: bool, appends: bool },
    /// /dev/null.
    Null,
    /// Terminals, devices, sockets that may sleep even where splice is told not to (TCP).
    Other,
}

impl Nature {
    fn of(fd: BorrowedFd<'_>) -> Nature {
        let (Ok(found), Ok(flags)) = (rustix::fs::fstat(fd), rustix::fs::fcntl_getfl(fd)) else {
            return Nature::Other;
        };
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Fifo => Nature::Pipe,
            FileType::Socket if is_unix_stream(fd) => {
                Nature::Socket { takes: flags.contains(OFlags::NONBLOCK) && has_room(fd) }
            }
            FileType::RegularFile => Nature::File { local: is_local(fd), appends: flags.contains(OFlags::APPEND) },
            FileType::CharacterDevice if is_null(found.st_rdev) => Nature::Null,
            _ => Nature::Other,
        }
    }
}

fn is_unix_stream(socket: BorrowedFd<'_>) -> bool {
    rustix::net::sockopt::socket_type(socket) == Ok(SocketType::STREAM)
        && rustix::net::getsockname(socket).is_ok_and(|name| name.address_family() == AddressFamily::UNIX)
}

/// A splice puts 16 pages into a socket that has room for one byte: more than a small --buffer-size is to hold.
fn has_room(socket: BorrowedFd<'_>) -> bool {
    rustix::net::sockopt::socket_send_buffer_size(socket).is_ok_and(|size| size >= 128 * 1024)
}

#[cfg(target_os = "linux")]
fn is_null(device: rustix::fs::Dev) -> bool {
    (rustix::fs::major(device), rustix::fs::minor(device)) == (1, 3)
}

/// Is this a file in memory or on a disk of this machine? (The magic numbers of linux/magic.h.)
#[cfg(target_os = "linux")]
fn is_local(file: BorrowedFd<'_>) -> bool {
    const TMPFS: u64 = 0x0102_1994;
    const EXT: u64 = 0xEF53;
    const XFS: u64 = 0x5846_5342;
    const BTRFS: u64 = 0x9123_683E;
    const F2FS: u64 = 0xF2F5_2010;
    const OVERLAY: u64 = 0x794C_7630;
    // Which integer it is differs between processors.
    let kind = rustix::fs::fstatfs(file).map(|found| u64::try_from(found.f_type));
    matches!(kind, Ok(Ok(TMPFS | EXT | XFS | BTRFS | F2FS | OVERLAY)))
}

#[cfg(not(target_os = "linux"))]
fn is_null(_: rustix::fs::Dev) -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
fn is_local(_: BorrowedFd<'_>) -> bool {
    false
}
