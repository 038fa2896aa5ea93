//! A connection over an AF_UNIX socket: connecting, ending a half, and leaving without harm.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, Shutdown, SocketFlags, SocketType};

use super::ends::{Sink, Source};
use super::name::{directory_of, explained, what_it_is};
use super::people;
use super::place::Place;
use crate::os::{Attempt, Peer, Seen};

/// A connection, non-blocking, before anything has moved.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: OwnedFd,
}

/// Tries once to connect, without ever waiting.
///
/// # Errors
/// All that waiting cannot mend: EACCES, EPROTOTYPE, a missing directory, a file that is no socket.
pub(crate) fn try_connect(place: &Place) -> io::Result<Attempt> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &place.socket_address()?) {
        Ok(()) => Ok(Attempt::Connected(Stream::new(socket))),
        Err(Errno::AGAIN) => Ok(Attempt::NotYet(Seen::Busy)),
        Err(Errno::CONNREFUSED) => refused(place.file()).map(Attempt::NotYet),
        Err(Errno::NOENT) => missing(place.file()).map(Attempt::NotYet),
        Err(Errno::PROTOTYPE) => Err(io::Error::other("the socket there carries messages or datagrams, not bytes")),
        Err(error) => Err(error.into()),
    }
}

/// Nobody listens: a stale socket may get a server, another file never will.
fn refused(path: Option<&Path>) -> io::Result<Seen> {
    let Some(path) = path else { return Ok(Seen::Nothing) };
    match fs::metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            Err(io::Error::other(format!("{} is there, no socket", what_it_is(&found))))
        }
        _ => Ok(Seen::Stale),
    }
}

/// A name that is not there may come, but not into a directory that is not there.
fn missing(path: Option<&Path>) -> io::Result<Seen> {
    match path {
        Some(path) if !directory_of(path).is_dir() => Err(explained(io::ErrorKind::NotFound.into(), path)),
        _ => Ok(Seen::Nothing),
    }
}

impl Stream {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Stream { socket }
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> io::Result<Peer> {
        people::peer_of(self.socket.as_fd())
    }

    /// The two ends that bytes move through, and what is known of the connection as a whole.
    pub(crate) fn into_ends(self) -> (Source, Sink, Connection) {
        let socket = Arc::new(Socket(self.socket));
        (Source::socket(Arc::clone(&socket)), Sink::socket(Arc::clone(&socket)), Connection(socket))
    }
}

/// A connection as a whole, of which the two ends each have a half.
#[derive(Debug)]
pub(crate) struct Connection(Arc<Socket>);

impl Connection {
    /// Bytes that the peer has not taken yet (`SIOCOUTQ`; 0 where the system cannot say).
    pub(crate) fn untaken(&self) -> io::Result<usize> {
        untaken(self.0.as_fd())
    }

    /// The error that the kernel noted for us, once.
    pub(crate) fn take_error(&self) -> io::Result<()> {
        Ok(rustix::net::sockopt::socket_error(&self.0)??)
    }
}

/// A connected socket that leaves without harm when its last owner has gone.
#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

impl Socket {
    pub(super) fn shutdown(&self, half: Shutdown) {
        // The peer may have gone, and then both halves are shut already.
        let _ = rustix::net::shutdown(&self.0, half);
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Socket {
    /// A close with unread bytes would give the peer ECONNRESET in place of our last bytes. Once we
    /// receive no more the queue can only shrink.
    fn drop(&mut self) {
        self.shutdown(Shutdown::Read);
        let mut scrap = [0; 16 * 1024];
        while rustix::net::recv(&self.0, &mut scrap, RecvFlags::DONTWAIT).is_ok_and(|(read, _)| read > 0) {}
    }
}

#[cfg(target_os = "linux")]
fn untaken(socket: BorrowedFd<'_>) -> io::Result<usize> {
    use std::os::fd::AsRawFd;
    let mut bytes: libc::c_int = 0;
    // SAFETY: the socket is open and SIOCOUTQ (= TIOCOUTQ, unix(7)) writes one int.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(usize::try_from(bytes).unwrap_or(0)) }
}

#[cfg(not(target_os = "linux"))]
fn untaken(_: BorrowedFd<'_>) -> io::Result<usize> {
    Ok(0)
}
