//! Sockets that keep messages apart (SOCK_SEQPACKET): one call, one message.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::Mode as Bits;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};

use super::place::Place;

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

/// Receives one message into `buffer`, which grows as it has to: its length, or nothing at the end.
pub(super) fn receive(socket: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> Result<Option<usize>, Errno> {
    let peek = RecvFlags::PEEK | RecvFlags::TRUNC | RecvFlags::DONTWAIT;
    let (_, length) = rustix::net::recv(socket, &mut buffer[..1], peek)?;
    if length > buffer.len() {
        buffer.resize(length, 0);
    }
    let mut control = [0_u64; 4];
    let mut piece = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: an all-zero msghdr is a valid one, without any buffers.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut piece;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    // Room for the credentials alone: descriptors that a peer passes along do not fit, and are closed.
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: both buffers live longer than the call and have the lengths that are given.
    let read =
        unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC) };
    match usize::try_from(read) {
        Err(_) => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)),
        Ok(0) if message.msg_controllen == 0 => Ok(None),
        Ok(read) => Ok(Some(read)),
    }
}
