//! A connection over an AF_UNIX socket: connecting, ending a half, and leaving without harm.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, SocketType};

use super::ends::{Sink, Source};
use super::fifo::{self, Fifo};
use super::name::{directory_of, explained, what_it_is};
use super::people;
use super::place::Place;
use super::{handles, packets};
use crate::os::{Attempt, Mode, OneWay, Peer, Seen};

/// A connection, non-blocking, before anything has moved.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Both ways, and the kernel knows the peer.
    Socket(OwnedFd),
    /// The same, and it keeps messages apart; a datagram socket goes one way only.
    Packets {
        /// The socket.
        socket: OwnedFd,
        /// Can the peer answer?
        answers: bool,
    },
    /// A FIFO that we read.
    FifoIn(OwnedFd),
    /// A FIFO that we write to.
    FifoOut(OwnedFd),
    /// Handles that our parent gave us, whose flags it may share.
    Handles {
        /// What we read.
        receive: Option<OwnedFd>,
        /// What we write to.
        send: Option<OwnedFd>,
    },
}

/// Looks for a server, as often as it is asked to.
#[derive(Debug)]
pub(crate) struct Connector {
    place: Place,
    mode: Option<Mode>,
    fifo_way: Option<OneWay>,
    fifo: Option<Fifo>,
    /// Handles need not be looked for.
    handles: Option<Stream>,
}

impl Connector {
    /// For a server at `place`. `way` is the one that handles are to be used in, and `fifo_way` that of a
    /// FIFO, should there be one.
    ///
    /// # Errors
    /// For handles that are not open or not fit.
    pub(crate) fn new(
        place: Place,
        mode: Option<Mode>,
        way: Option<OneWay>,
        fifo_way: Option<OneWay>,
    ) -> io::Result<Self> {
        let handles = match place {
            Place::Handles(number, other) => Some(handles::adopt(number, other, way)?),
            _ => None,
        };
        Ok(Connector { place, mode, fifo_way, fifo: None, handles })
    }

    /// Tries once to connect, without ever waiting.
    ///
    /// # Errors
    /// All that waiting cannot mend: EACCES, EPROTOTYPE, a missing directory, a file that is no socket.
    pub(crate) fn attempt(&mut self) -> io::Result<Attempt> {
        if let Some(handles) = self.handles.take() {
            return Ok(Attempt::Connected(handles));
        }
        if self.fifo.is_none()
            && let Some(path) = self.place.file().filter(|path| fifo::is_at(path))
        {
            self.fifo = Some(Fifo::new(path.to_owned(), self.fifo_way.ok_or_else(fifo::no_way)?));
        }
        match (&self.fifo, &self.place) {
            (Some(fifo), _) => fifo.attempt(),
            (None, Place::Fifo(path)) => no_fifo(path).map(Attempt::NotYet),
            (None, place) => connect(place, self.mode),
        }
    }
}

/// In the mode that was asked for, or in the one that the server has.
fn connect(place: &Place, mode: Option<Mode>) -> io::Result<Attempt> {
    let kinds: &[SocketType] = match mode {
        Some(Mode::Byte) => &[SocketType::STREAM],
        Some(Mode::Message) => &[SocketType::SEQPACKET, SocketType::DGRAM],
        None => &[SocketType::STREAM, SocketType::SEQPACKET],
    };
    let last = kinds[kinds.len() - 1];
    for &kind in kinds {
        let socket = packets::socket(kind)?;
        return match rustix::net::connect(&socket, &place.socket_address()?) {
            Ok(()) if kind == SocketType::STREAM => Ok(Attempt::Connected(Stream::Socket(socket))),
            Ok(()) => packets(socket, kind == SocketType::SEQPACKET).map(Attempt::Connected),
            Err(Errno::AGAIN) => Ok(Attempt::NotYet(Seen::Busy)),
            // An abstract name is another for each kind of socket.
            Err(Errno::CONNREFUSED) if place.file().is_none() && kind != last => continue,
            Err(Errno::CONNREFUSED) => refused(place.file()).map(Attempt::NotYet),
            Err(Errno::NOENT) => missing(place.file()).map(Attempt::NotYet),
            Err(Errno::PROTOTYPE) => continue,
            Err(error) => Err(error.into()),
        };
    }
    Err(io::Error::other(match mode {
        Some(Mode::Byte) => "the socket there carries messages, not bytes: '--mode message' fits",
        Some(Mode::Message) => "the socket there carries bytes, not messages: '--mode byte' fits, with a --framing",
        None => "the socket there carries datagrams: '-d out --mode message' fits",
    }))
}

/// A connection that keeps messages apart.
pub(super) fn packets(socket: OwnedFd, answers: bool) -> io::Result<Stream> {
    packets::prepare(&socket)?;
    Ok(Stream::Packets { socket, answers })
}

fn no_fifo(path: &Path) -> io::Result<Seen> {
    match fs::metadata(path) {
        Ok(found) if !found.file_type().is_fifo() => {
            Err(io::Error::other(format!("{} is there, no FIFO", what_it_is(&found))))
        }
        _ => missing(Some(path)),
    }
}

/// Nobody listens: a stale socket may get a server, another file never will.
fn refused(path: Option<&Path>) -> io::Result<Seen> {
    let Some(path) = path else { return Ok(Seen::Nothing) };
    match fs::metadata(path) {
        // A FIFO may have come since we looked: the next look finds it.
        Ok(found) if !found.file_type().is_socket() && !found.file_type().is_fifo() => {
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
    /// Who is at the other end; a pipe does not say.
    pub(crate) fn peer(&self) -> io::Result<Option<Peer>> {
        match self {
            Stream::Socket(socket) | Stream::Packets { socket, answers: true } => {
                people::peer_of(socket.as_fd()).map(Some)
            }
            Stream::FifoIn(_) | Stream::FifoOut(_) | Stream::Handles { .. } | Stream::Packets { .. } => Ok(None),
        }
    }

    /// Does the pipe keep messages apart?
    pub(crate) fn mode(&self) -> Mode {
        if matches!(self, Stream::Packets { .. }) { Mode::Message } else { Mode::Byte }
    }

    /// The one way that there is; a socket has both.
    pub(crate) fn only_way(&self) -> Option<OneWay> {
        match self {
            Stream::FifoIn(_) | Stream::Handles { send: None, .. } => Some(OneWay::In),
            Stream::FifoOut(_) | Stream::Handles { receive: None, .. } | Stream::Packets { answers: false, .. } => {
                Some(OneWay::Out)
            }
            Stream::Socket(_) | Stream::Packets { .. } | Stream::Handles { .. } => None,
        }
    }

    /// Asks for kernel buffers of `size` bytes. A socket gets what its limits allow (`wmem_max`), and
    /// what its peer sends is buffered as the peer wants.
    ///
    /// # Errors
    /// `EPERM` for a FIFO with more than a user may have (`pipe-max-size`, `pipe-user-pages-soft`).
    pub(crate) fn set_buffer_size(&self, size: usize) -> io::Result<()> {
        match self {
            Stream::Socket(socket) | Stream::Packets { socket, .. } => set_socket_size(socket, size),
            Stream::FifoIn(fifo) | Stream::FifoOut(fifo) => set_pipe_size(fifo, size),
            Stream::Handles { receive, send } => {
                receive.iter().chain(send).try_for_each(|handle| match set_pipe_size(handle, size) {
                    // An end of a socketpair.
                    Err(error) if Errno::from_io_error(&error) == Some(Errno::BADF) => set_socket_size(handle, size),
                    done => done,
                })
            }
        }
    }

    /// Ends the half that we have no use for, as .NET does after the connection: the sending one tells
    /// the peer that nothing comes, and after the receiving one what it writes fails with EPIPE.
    pub(crate) fn keep_only(&self, way: OneWay) {
        if let Stream::Socket(socket) | Stream::Packets { socket, .. } = self {
            let _ = rustix::net::shutdown(socket, if way == OneWay::In { Shutdown::Write } else { Shutdown::Read });
        }
    }

    /// The connection as a program's stdin and stdout: blocking, as programs expect.
    pub(crate) fn into_stdio(self) -> io::Result<(Option<Stdio>, Option<Stdio>)> {
        let (receive, send) = match self {
            Stream::Socket(socket) | Stream::Packets { socket, .. } => (Some(socket.try_clone()?), Some(socket)),
            Stream::FifoIn(fifo) => (Some(fifo), None),
            Stream::FifoOut(fifo) => (None, Some(fifo)),
            Stream::Handles { receive, send } => (receive, send),
        };
        for handle in receive.iter().chain(&send) {
            rustix::io::ioctl_fionbio(handle, false)?;
        }
        Ok((receive.map(Stdio::from), send.map(Stdio::from)))
    }

    /// The ends that bytes move through, and what is known of the connection as a whole.
    pub(crate) fn into_ends(self) -> (Option<Source>, Option<Sink>, Connection) {
        match self {
            Stream::Socket(socket) => {
                let socket = Arc::new(Socket { socket, abruptly: AtomicBool::new(false) });
                let (source, sink) = (Source::socket(Arc::clone(&socket)), Sink::socket(Arc::clone(&socket)));
                (Some(source), Some(sink), Connection(Some(socket)))
            }
            // Datagrams stay with their receiver when we have gone.
            Stream::Packets { socket, answers: false } => (None, Some(Sink::datagrams(socket)), Connection(None)),
            Stream::Packets { socket, .. } => {
                let socket = Arc::new(Socket { socket, abruptly: AtomicBool::new(false) });
                let (source, sink) = (Source::packets(Arc::clone(&socket)), Sink::packets(Arc::clone(&socket)));
                (Some(source), Some(sink), Connection(Some(socket)))
            }
            Stream::FifoIn(fifo) => (Some(Source::owned(fifo)), None, Connection(None)),
            Stream::FifoOut(fifo) => (None, Some(Sink::fifo(fifo)), Connection(None)),
            Stream::Handles { receive, send } => (receive.map(Source::owned), send.map(Sink::owned), Connection(None)),
        }
    }
}

/// A connection as a whole, of which the two ends each have a half.
#[derive(Debug)]
pub(crate) struct Connection(Option<Arc<Socket>>);

impl Connection {
    /// Two ends that have nothing in common.
    pub(crate) fn none() -> Self {
        Connection(None)
    }

    /// Bytes that the peer has not taken yet (`SIOCOUTQ`; 0 where the system cannot say). A pipe keeps
    /// them for its reader when we have gone.
    pub(crate) fn untaken(&self) -> io::Result<usize> {
        self.0.as_ref().map_or(Ok(0), |socket| untaken(socket.as_fd()))
    }

    /// Has the peer learn (ECONNRESET) if we leave bytes of its unread.
    pub(crate) fn leave_abruptly(&self) {
        self.0.iter().for_each(|socket| socket.abruptly.store(true, Relaxed));
    }

    /// The error that the kernel noted for us, once.
    pub(crate) fn take_error(&self) -> io::Result<()> {
        match &self.0 {
            Some(socket) => Ok(rustix::net::sockopt::socket_error(socket)??),
            None => Ok(()),
        }
    }
}

/// A connected socket that leaves without harm when its last owner has gone.
#[derive(Debug)]
pub(super) struct Socket {
    socket: OwnedFd,
    abruptly: AtomicBool,
}

impl Socket {
    pub(super) fn shutdown(&self, half: Shutdown) {
        // The peer may have gone, and then both halves are shut already.
        let _ = rustix::net::shutdown(&self.socket, half);
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Socket {
    /// A close with unread bytes would give the peer ECONNRESET in place of our last bytes. Once we
    /// receive no more the queue can only shrink.
    fn drop(&mut self) {
        if self.abruptly.load(Relaxed) {
            return;
        }
        self.shutdown(Shutdown::Read);
        let mut scrap = [0; 16 * 1024];
        while rustix::net::recv(&self.socket, &mut scrap, RecvFlags::DONTWAIT).is_ok_and(|(read, _)| read > 0) {}
    }
}

fn set_socket_size(socket: &OwnedFd, size: usize) -> io::Result<()> {
    rustix::net::sockopt::set_socket_send_buffer_size(socket, size)?;
    Ok(rustix::net::sockopt::set_socket_recv_buffer_size(socket, size)?)
}

#[cfg(target_os = "linux")]
pub(super) fn set_pipe_size(pipe: impl AsFd, size: usize) -> io::Result<()> {
    Ok(rustix::pipe::fcntl_setpipe_size(pipe, size).map(drop)?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn set_pipe_size(_: impl AsFd, _: usize) -> io::Result<()> {
    Ok(())
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
