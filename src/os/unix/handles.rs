//! Anonymous pipes and the numbers (handle IDs) by which a child finds its ends of them; and such numbers
//! that our own parent gave us.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use rustix::fs::{FileType, OFlags};
use rustix::io::{DupFlags, FdFlags};
use rustix::net::SocketType;

use super::sink::Sink;
use super::source::Source;
use super::stream::Stream;
use super::wake::Wake;
use crate::os::{BufferSize, OneWay};

/// The number of a handle that a child is to inherit, with what is behind it once there is a pipe. It
/// keeps that number in the child: a dup2 after the fork could hit what std needs to start it.
#[derive(Debug)]
pub(crate) struct HandleId(OwnedFd);

impl HandleId {
    /// Takes the lowest free numbers from 3 on, in order, before anything else of ours does.
    pub(crate) fn reserve(count: usize) -> io::Result<Vec<Self>> {
        let placeholder = rustix::stdio::stdin();
        (0..count).map(|_| Ok(HandleId(rustix::io::fcntl_dupfd_cloexec(placeholder, 3)?))).collect()
    }

    /// Makes the pipe that the child reads through this handle. It ends when `over` is given, whoever else
    /// still holds the handle.
    pub(crate) fn child_reads(&mut self, over: Arc<Wake>, size: Option<BufferSize<'_>>) -> io::Result<Sink> {
        let (reader, writer) = io::pipe()?;
        self.become_end(reader.as_fd(), size)?;
        Ok(Sink::to_child(writer.into(), over))
    }

    /// Makes the pipe that the child writes through this handle. Once `over` is given, it ends when all
    /// that is in it has been taken.
    pub(crate) fn child_writes(&mut self, over: Arc<Wake>, size: Option<BufferSize<'_>>) -> io::Result<Source> {
        let (reader, writer) = io::pipe()?;
        self.become_end(writer.as_fd(), size)?;
        Ok(Source::from_child(reader.into(), over))
    }

    fn become_end(&mut self, end: BorrowedFd<'_>, size: Option<BufferSize<'_>>) -> io::Result<()> {
        if let Some((size, tell)) = size
            && let Some(kept) = super::stream::set_pipe_size(end, size)?
        {
            tell(kept);
        }
        Ok(rustix::io::dup3(end, &mut self.0, DupFlags::CLOEXEC)?)
    }
}

impl fmt::Display for HandleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_raw_fd().fmt(f)
    }
}

/// The path by which the child can open a handle once more.
pub(crate) fn handle_path(id: &HandleId) -> String {
    format!("/dev/fd/{id}")
}

/// Has `command` inherit these handles. They are closed here when the command is dropped; all others are
/// kept from it by `keep_from_children`.
pub(crate) fn hand_over(command: &mut Command, handles: Vec<HandleId>) {
    let give = move || {
        for handle in &handles {
            rustix::io::fcntl_setfd(&handle.0, FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec, system calls only: nothing is allocated or locked.
    unsafe { command.pre_exec(give) };
}

/// Takes handles that our parent left open for us: `receive` is read, `send` written; with one number
/// alone its own nature decides, or `way` for a socket.
///
/// # Errors
/// What is not open, no pipe, or the wrong way round, each by its number.
pub(crate) fn adopt(number: u64, other: Option<u64>, way: Option<OneWay>) -> io::Result<Stream> {
    match other {
        Some(send) if send == number => adopt_both(number),
        Some(send) => {
            let (receive, send) = (Adopted::take(number)?, Adopted::take(send)?);
            receive.must_be(OneWay::In)?;
            send.must_be(OneWay::Out)?;
            // What has no use is closed at once.
            let receive = Some(receive.handle).filter(|_| way != Some(OneWay::Out));
            Ok(Stream::Handles { receive, send: Some(send.handle).filter(|_| way != Some(OneWay::In)) })
        }
        None => {
            let adopted = Adopted::take(number)?;
            if adopted.is_socket && way.is_none() {
                return adopted.into_socket();
            }
            let way = way.unwrap_or(if adopted.writes { OneWay::Out } else { OneWay::In });
            adopted.must_be(way)?;
            Ok(match way {
                OneWay::In => Stream::Handles { receive: Some(adopted.handle), send: None },
                OneWay::Out => Stream::Handles { receive: None, send: Some(adopted.handle) },
            })
        }
    }
}

fn adopt_both(number: u64) -> io::Result<Stream> {
    let adopted = Adopted::take(number)?;
    adopted.must_be(OneWay::In)?;
    adopted.must_be(OneWay::Out)?;
    adopted.into_socket()
}

/// An inherited handle, and what it can do.
struct Adopted {
    number: u64,
    handle: OwnedFd,
    is_socket: bool,
    reads: bool,
    writes: bool,
}

impl Adopted {
    fn take(number: u64) -> io::Result<Self> {
        let closed = || io::Error::other(format!("handle {number} is not open"));
        let fd = RawFd::try_from(number).map_err(|_| closed())?;
        // SAFETY: borrowed for two calls that check themselves that it is open, and else give EBADF.
        let inherited = unsafe { BorrowedFd::borrow_raw(fd) };
        let flags = rustix::fs::fcntl_getfl(inherited).map_err(|_| closed())?;
        let found = rustix::fs::fstat(inherited)?;
        let is_socket = match FileType::from_raw_mode(found.st_mode) {
            FileType::Socket => true,
            FileType::Fifo => false,
            _ => return Err(io::Error::other(format!("handle {number} is open, but no pipe or socket"))),
        };
        if is_socket && rustix::net::sockopt::socket_type(inherited)? != SocketType::STREAM {
            let what = "is a socket that keeps messages apart: only one that is a stream can be taken";
            return Err(io::Error::other(format!("handle {number} {what}")));
        }
        rustix::io::fcntl_setfd(inherited, if fd > 2 { FdFlags::CLOEXEC } else { FdFlags::empty() })?;
        let handle = match fd {
            // stdin, stdout and stderr stay what they are.
            0..=2 => rustix::io::fcntl_dupfd_cloexec(inherited, 3)?,
            // SAFETY: it is open, it was given to us to be used as this pipe, and nobody else here is.
            _ => unsafe { OwnedFd::from_raw_fd(fd) },
        };
        let access = flags & OFlags::RWMODE;
        let (reads, writes) = (access != OFlags::WRONLY, access != OFlags::RDONLY);
        Ok(Adopted { number, handle, is_socket, reads, writes })
    }

    fn must_be(&self, way: OneWay) -> io::Result<()> {
        way.has_to_be_had(self.number, self.reads, self.writes)
    }

    fn into_socket(self) -> io::Result<Stream> {
        if self.is_socket {
            return Ok(Stream::Socket(self.handle));
        }
        Err(io::Error::other(format!("handle {} is a FIFO open both ways: say '-d in' or '-d out'", self.number)))
    }
}
