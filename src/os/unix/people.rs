//! Users and groups, and who is at the other end of a socket.

use std::io;
use std::os::fd::BorrowedFd;

use nix::unistd::{Group, User};

use crate::os::Peer;

/// The user whose rights this process acts with.
pub(crate) fn current_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The name of user `id`, where it has one.
pub(crate) fn user_name(id: u32) -> Option<String> {
    User::from_uid(id.into()).ok().flatten().map(|user| user.name)
}

/// A user, by name or number.
pub(crate) fn user_id(name: &str) -> Option<u32> {
    let named = User::from_name(name).ok().flatten().map(|user| user.uid.as_raw());
    named.or_else(|| name.parse().ok())
}

/// A group, by name or number.
pub(crate) fn group_id(name: &str) -> Option<u32> {
    let named = Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw());
    named.or_else(|| name.parse().ok())
}

/// Who connected, or who listens where we connected (`SO_PEERCRED`, unix(7)).
/// Of another kind of socket, which a parent may have given us, nobody knows.
/// Through nix: rustix takes a pid of 0 for impossible, and a peer in another PID namespace has it.
#[cfg(target_os = "linux")]
pub(super) fn peer_of(socket: BorrowedFd<'_>) -> io::Result<Option<Peer>> {
    let credentials = nix::sys::socket::getsockopt(&socket, nix::sys::socket::sockopt::PeerCredentials)?;
    let is_known = credentials.uid() != u32::MAX;
    Ok(is_known.then(|| Peer {
        user: credentials.uid(),
        group: credentials.gid(),
        pid: u32::try_from(credentials.pid()).ok().filter(|&pid| pid != 0),
    }))
}

/// Who is at the other end (getpeereid(3)); which process it is, it does not say.
#[cfg(not(target_os = "linux"))]
pub(super) fn peer_of(socket: BorrowedFd<'_>) -> io::Result<Option<Peer>> {
    let (user, group) = nix::unistd::getpeereid(socket)?;
    Ok(Some(Peer { user: user.as_raw(), group: group.as_raw(), pid: None }))
}
