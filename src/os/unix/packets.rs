//! Sockets that keep messages apart (SOCK_SEQPACKET, SOCK_DGRAM): one call, one message.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::Mode as Bits;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};

use super::place::Place;
use super::poll::poll;

/// What a message may be larger than the send buffer allows: the kernel keeps this for itself (tried on
/// Linux 6.18).
const OVERHEAD: usize = 32;
/// A send buffer that no system grants: it gives as much as it may (`wmem_max`).
const ALL_THERE_IS: usize = 1 << 28;

/// A socket for messages, non-blocking.
///
/// # Errors
/// `Unsupported` where there are none for local pipes (macOS).
pub(super) fn socket(kind: SocketType) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, kind, flags, None).map_err(|error| match error {
        Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT | Errno::PROTOTYPE => {
            let why = "this system has no '--mode message' for local pipes: use a --framing, such as length";
            io::Error::new(io::ErrorKind::Unsupported, why)
        }
        error => error.into(),
    })
}

/// A listening one, 0600 before it has a name.
pub(super) fn listen(place: &Place) -> io::Result<OwnedFd> {
    let socket = socket(SocketType::SEQPACKET)?;
    if place.file().is_some() {
        rustix::fs::fchmod(&socket, Bits::RUSR | Bits::WUSR)?;
    }
    rustix::net::bind(&socket, &place.socket_address()?)?;
    rustix::net::listen(&socket, i32::MAX)?;
    Ok(socket)
}

/// Gets a connection ready: the greatest messages that the kernel allows, and credentials with each that
/// comes, by which an empty one is told from the end.
pub(super) fn prepare(socket: &OwnedFd) -> io::Result<()> {
    rustix::net::sockopt::set_socket_send_buffer_size(socket, ALL_THERE_IS)?;
    Ok(rustix::net::sockopt::set_socket_passcred(socket, true)?)
}

/// The greatest message that can be sent.
pub(super) fn largest(socket: BorrowedFd<'_>) -> usize {
    rustix::net::sockopt::socket_send_buffer_size(socket).unwrap_or(0).saturating_sub(OVERHEAD)
}

/// Receives one message into `buffer`, which grows to the size of the message: its length, or nothing at the end of
/// input.
///
/// # Errors
/// `EMSGSIZE` where another process reads from the same socket and took the message that was measured: the message
/// that came instead was longer, and the kernel has dropped the rest of it.
pub(super) fn receive(socket: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> Result<Option<usize>, Errno> {
    match make_room(socket, buffer)? {
        0 => receive_empty(socket),
        _ => receive_whole(socket, buffer).map(Some),
    }
}

/// The same for datagrams, of which an empty one is never the end of input. Only a socket that was shut down has an
/// end: the kernel does not say that the sender closed its own socket.
///
/// # Errors
/// Those of `receive`.
pub(super) fn receive_datagram(socket: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> Result<Option<usize>, Errno> {
    match make_room(socket, buffer).and_then(|_| receive_whole(socket, buffer)) {
        Err(Errno::AGAIN) if is_shut_down(socket) => Ok(None),
        received => received.map(Some),
    }
}

/// Makes `buffer` as large as the next message, whose length is the answer (0 at the end of input too).
fn make_room(socket: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
    let peek = RecvFlags::PEEK | RecvFlags::TRUNC | RecvFlags::DONTWAIT;
    let (_, length) = rustix::net::recv(socket, &mut buffer[..1], peek)?;
    if length > buffer.len() {
        buffer.resize(length, 0);
    }
    Ok(length)
}

/// Without a control buffer no descriptor that a peer passes along is received.
fn receive_whole(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    let room = buffer.len();
    let (_, length) = rustix::net::recv(socket, buffer, RecvFlags::TRUNC | RecvFlags::DONTWAIT)?;
    if length > room { Err(Errno::MSGSIZE) } else { Ok(length) }
}

/// Takes an empty message, or the end of input: only the former carries credentials. An inherited socket shares
/// SO_PASSCRED with other programs, so it is set for this one call.
fn receive_empty(socket: BorrowedFd<'_>) -> Result<Option<usize>, Errno> {
    use rustix::net::sockopt::{set_socket_passcred, socket_passcred};
    if socket_passcred(socket) == Ok(true) {
        return receive_with_credentials(socket);
    }
    if set_socket_passcred(socket, true).is_err() {
        // Only AF_UNIX has it. Elsewhere an empty message behind which the peer has shut down is taken for the end.
        let length = receive_whole(socket, &mut [])?;
        return Ok(Some(length).filter(|_| !is_shut_down(socket)));
    }
    let received = receive_with_credentials(socket);
    // Nothing depends on it where it fails: this program reads no credentials.
    let _ = set_socket_passcred(socket, false);
    received
}

fn receive_with_credentials(socket: BorrowedFd<'_>) -> Result<Option<usize>, Errno> {
    let mut control = [0_u64; 4];
    // SAFETY: an all-zero msghdr is a valid one, without any buffers.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_control = control.as_mut_ptr().cast();
    // Room for the credentials alone: descriptors that a peer passes along do not fit, and are closed.
    message.msg_controllen = size_of_val(&control) as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC | libc::MSG_TRUNC;
    // SAFETY: the control buffer lives longer than the call and has the length that is given.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
    match usize::try_from(length) {
        Err(_) => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)),
        Ok(0) if message.msg_controllen == 0 => Ok(None),
        Ok(0) => Ok(Some(0)),
        // Another process took the empty message that was seen.
        Ok(_) => Err(Errno::MSGSIZE),
    }
}

/// Will no more come than what is there already?
fn is_shut_down(socket: BorrowedFd<'_>) -> bool {
    poll([(socket, PollFlags::RDHUP)], Some(Duration::ZERO)).is_ok_and(|[happened]| !happened.is_empty())
}
