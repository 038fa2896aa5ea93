//! A pipe that we serve: a socket under a name, private before anybody can reach it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use interprocess::local_socket::{
    GenericFilePath, GenericNamespaced, Listener as LocalListener, ListenerOptions, prelude::*,
};
use interprocess::os::unix::local_socket::ListenerOptionsExt;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::SocketFlags;

use super::name::OwnedName;
use super::place::Place;
use super::pump::poll;
use super::stream::Stream;

/// Only the user may connect, unless told otherwise.
const PRIVATE: u32 = 0o600;
/// Clients that may wait while one is served; the kernel lowers it to `somaxconn`.
const LONG_BACKLOG: i32 = i32::MAX;
/// Where one client alone will be served, the least that may wait: they are reset when it has come.
const SHORTEST_BACKLOG: i32 = 0;
/// Without free file descriptors (EMFILE, ENFILE) nobody can be accepted until somebody closes one.
const OUT_OF_DESCRIPTORS_PAUSE: Duration = Duration::from_millis(50);

/// Who may open the pipe's file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Access {
    /// Permission bits, exact whatever the umask; 0600 unless told.
    pub(crate) permissions: Option<u32>,
    /// The group the file is given to.
    pub(crate) group: Option<u32>,
}

/// A pipe that clients can connect to.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: OwnedFd,
    name: OwnedName,
}

impl Listener {
    /// Creates the pipe at `place`. `many` clients will be served, or one.
    ///
    /// # Errors
    /// `AddrInUse` where it is served already, with the process that does if it can be known;
    /// `AlreadyExists` where something that is no socket has the name.
    pub(crate) fn bind(place: &Place, access: Access, many: bool, name: &OwnedName) -> io::Result<Self> {
        let listener = Listener { socket: name.claim(place, create)?, name: name.clone() };
        if let Some(path) = place.file() {
            access.apply(path)?;
        } else if access.permissions.or(access.group).is_some() {
            let why = "an abstract socket has no file that permissions or a group could be given to";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        if !many {
            rustix::net::listen(&listener.socket, SHORTEST_BACKLOG)?;
        }
        Ok(listener)
    }

    /// The next client, or nothing when `timeout` is over (never without one).
    pub(crate) fn accept(&self, timeout: Option<Duration>) -> io::Result<Option<Stream>> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let [ready] = poll([(self.socket.as_fd(), PollFlags::IN)], left)?;
            if ready.is_empty() {
                if left.is_some_and(|left| left.is_zero()) {
                    return Ok(None);
                }
                continue;
            }
            match rustix::net::accept_with(&self.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(socket) => return Ok(Some(Stream::new(socket))),
                Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    thread::sleep(left.unwrap_or(Duration::MAX).min(OUT_OF_DESCRIPTORS_PAUSE));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Listener {
    /// The name goes first: while the socket listens nobody takes it for stale.
    fn drop(&mut self) {
        self.name.remove();
    }
}

/// A listening socket, 0600 before it has a name. Removing the name is not left to interprocess,
/// which would remove whatever has it by then.
fn create(place: &Place) -> io::Result<OwnedFd> {
    let name = match place {
        Place::File(path) => path.as_path().to_fs_name::<GenericFilePath>()?,
        Place::Abstract(name) => name.as_os_str().to_ns_name::<GenericNamespaced>()?,
    };
    let options = ListenerOptions::new().name(name).reclaim_name(false).mode(PRIVATE as libc::mode_t);
    let LocalListener::UdSocket(listener) = options.create_sync()?;
    let socket = OwnedFd::from(listener);
    // A client may be gone between poll and accept; and more may wait than interprocess allows.
    rustix::io::ioctl_fionbio(&socket, true)?;
    rustix::net::listen(&socket, LONG_BACKLOG)?;
    Ok(socket)
}

impl Access {
    /// After the bind, because before it the umask would be taken off; never followed through a link.
    fn apply(self, path: &Path) -> io::Result<()> {
        if let Some(group) = self.group {
            let group = rustix::process::Gid::from_raw(group);
            rustix::fs::chownat(rustix::fs::CWD, path, None, Some(group), rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(self.permissions.unwrap_or(PRIVATE)))
    }
}
