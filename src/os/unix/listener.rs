//! A pipe that we serve: a socket under a name, or a FIFO, private before anybody can reach it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use interprocess::local_socket::{
    GenericFilePath, GenericNamespaced, Listener as LocalListener, ListenerOptions, prelude::*,
};
use interprocess::os::unix::local_socket::ListenerOptionsExt;
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{FchmodatFlags, Mode as Bits, fchmodat};
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::SocketFlags;

use super::activation::HandedOver;
use super::fifo::{self, Fifo};
use super::name::OwnedName;
use super::packets;
use super::place::Place;
use super::poll::{CLOSED, poll};
use super::sink::Sink;
use super::stream::Stream;
use super::wake::Wake;
use crate::os::{Accepted, Access, Attempt, Mode, OneWay, in_time};

/// Only the user may connect, unless told otherwise.
const PRIVATE: u32 = 0o600;
/// Clients that may wait while one is served; the kernel lowers it to `somaxconn`.
const LONG_BACKLOG: i32 = i32::MAX;
/// Where one client alone will be served, the least that may wait: they are reset when it has come.
const SHORTEST_BACKLOG: i32 = 0;
/// How often we look whether somebody has opened a FIFO.
const FIFO_PAUSE: Duration = Duration::from_millis(10);
/// Without free file descriptors (EMFILE, ENFILE) nobody can be accepted until somebody closes one.
const OUT_OF_DESCRIPTORS_PAUSE: Duration = Duration::from_millis(50);

/// A pipe that clients can connect to.
#[derive(Debug)]
pub(crate) struct Listener {
    entrance: Entrance,
    name: OwnedName,
    many: bool,
}

/// Where clients come in.
#[derive(Debug)]
enum Entrance {
    Socket(OwnedFd),
    Packets(OwnedFd),
    Fifo(Fifo),
}

impl Listener {
    /// Creates the pipe at `place`. `many` clients will be served, or one; `fifo_way` is a FIFO's.
    ///
    /// # Errors
    /// `AddrInUse` where it is served already, with the process that does if it can be known;
    /// `AlreadyExists` where something that is no socket has the name; `InvalidInput` for what such a
    /// pipe cannot have.
    pub(crate) fn bind(
        place: &Place,
        mode: Mode,
        _way: Option<OneWay>,
        fifo_way: Option<OneWay>,
        access: Access,
        many: bool,
        name: &OwnedName,
    ) -> io::Result<Self> {
        let entrance = match place {
            Place::Fifo(path) => {
                let fifo = Fifo::new(path.clone(), fifo_way.ok_or_else(fifo::no_way)?);
                name.claim(place, access.replace, |_| Fifo::create(path))?;
                Entrance::Fifo(fifo)
            }
            Place::File(_) | Place::Abstract(_) | Place::Handles(..) => match mode {
                Mode::Byte => Entrance::Socket(name.claim(place, access.replace, create)?),
                Mode::Message => Entrance::Packets(name.claim(place, access.replace, packets::listen)?),
            },
        };
        let listener = Listener { entrance, name: name.clone(), many };
        if let Some(path) = place.file() {
            access.apply(path)?;
        }
        if let Entrance::Socket(socket) | Entrance::Packets(socket) = &listener.entrance
            && !many
        {
            rustix::net::listen(socket, SHORTEST_BACKLOG)?;
        }
        Ok(listener)
    }

    /// Takes over a listening socket that was made for us: the one at `place`, or called `called`. Its name and
    /// its queue stay its maker's. With what to call it.
    ///
    /// # Errors
    /// `InvalidInput` where no such socket was handed over.
    pub(crate) fn inherited(
        handed: HandedOver,
        place: &Place,
        called: Option<&str>,
        mode: Mode,
    ) -> io::Result<(Self, String)> {
        let (socket, what) = handed.choose(place, called, mode)?;
        let entrance = if mode == Mode::Message { Entrance::Packets(socket) } else { Entrance::Socket(socket) };
        Ok((Listener { entrance, name: OwnedName::default(), many: true }, what))
    }

    pub(crate) fn is_fifo(&self) -> bool {
        matches!(self.entrance, Entrance::Fifo(_))
    }

    /// What tells that a client has come; a FIFO has nothing that would.
    pub(super) fn socket(&self) -> Option<&OwnedFd> {
        match &self.entrance {
            Entrance::Socket(socket) | Entrance::Packets(socket) => Some(socket),
            Entrance::Fifo(_) => None,
        }
    }

    /// A client that is there already.
    ///
    /// # Errors
    /// `ResourceBusy` where there is no file descriptor for it: it goes on waiting.
    pub(crate) fn take_waiting(&self) -> io::Result<Option<Stream>> {
        let mode = if matches!(self.entrance, Entrance::Packets(_)) { Mode::Message } else { Mode::Byte };
        self.socket().map_or(Ok(None), |socket| take_waiting(socket, mode))
    }

    /// The next client, unless `timeout` is over first (never without one), `wake` is given, or nobody
    /// reads `stdout` any more.
    pub(crate) fn accept(&self, timeout: Option<Duration>, wake: &Wake, stdout: Option<&Sink>) -> io::Result<Accepted> {
        let deadline = in_time(timeout);
        match &self.entrance {
            Entrance::Socket(socket) => accept(socket, Mode::Byte, deadline, wake, stdout),
            Entrance::Packets(socket) => accept(socket, Mode::Message, deadline, wake, stdout),
            Entrance::Fifo(fifo) => {
                let accepted = wait_for_other_end(fifo, deadline, wake, stdout)?;
                if self.many && matches!(accepted, Accepted::Client(_)) {
                    fifo.hold_open()?;
                }
                Ok(accepted)
            }
        }
    }
}

fn accept(
    socket: &OwnedFd,
    mode: Mode,
    deadline: Option<Instant>,
    wake: &Wake,
    stdout: Option<&Sink>,
) -> io::Result<Accepted> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // Without a stdout to watch, the socket stands in for it and is only looked at.
        let watched = stdout.map_or(socket.as_fd(), AsFd::as_fd);
        let [ready, woken, reader] = poll(
            [(socket.as_fd(), PollFlags::IN), (wake.as_fd(), PollFlags::IN), (watched, PollFlags::empty())],
            left,
        )?;
        if !woken.is_empty() {
            return Ok(Accepted::Woken);
        }
        if reader.intersects(CLOSED) {
            return Ok(Accepted::NobodyReads);
        }
        if ready.is_empty() {
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(Accepted::TimedOut);
            }
            continue;
        }
        match take_waiting(socket, mode) {
            Ok(Some(client)) => return Ok(Accepted::Client(client)),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                if left.is_some_and(|left| left.is_zero()) {
                    return Ok(Accepted::TimedOut);
                }
                thread::sleep(left.unwrap_or(Duration::MAX).min(OUT_OF_DESCRIPTORS_PAUSE));
            }
            Err(error) => return Err(error),
        }
    }
}

/// A client that may be gone again when we look: then there is none.
fn take_waiting(socket: &OwnedFd, mode: Mode) -> io::Result<Option<Stream>> {
    match rustix::net::accept_with(socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
        Ok(socket) if mode == Mode::Byte => Ok(Some(Stream::Socket(socket))),
        Ok(socket) => super::stream::packets(socket, true).map(Some),
        Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => Ok(None),
        Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
            Err(io::Error::new(io::ErrorKind::ResourceBusy, "no file descriptor is free"))
        }
        Err(error) => Err(error.into()),
    }
}

/// A FIFO says nothing when somebody opens it: look again and again.
fn wait_for_other_end(
    fifo: &Fifo,
    deadline: Option<Instant>,
    wake: &Wake,
    stdout: Option<&Sink>,
) -> io::Result<Accepted> {
    loop {
        if let Attempt::Connected(stream) = fifo.attempt()? {
            return Ok(Accepted::Client(stream));
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(Accepted::TimedOut);
        }
        let pause = left.unwrap_or(Duration::MAX).min(FIFO_PAUSE);
        if stdout.is_some_and(|stdout| stdout.closes_within(Duration::ZERO)) {
            return Ok(Accepted::NobodyReads);
        }
        let [woken] = poll([(wake.as_fd(), PollFlags::IN)], Some(pause))?;
        if !woken.is_empty() {
            return Ok(Accepted::Woken);
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
        Place::Handles(..) => return Err(io::Error::other("a handle is an open pipe already")),
        Place::File(path) | Place::Fifo(path) => path.as_path().to_fs_name::<GenericFilePath>()?,
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
        let wanted = self.permissions.unwrap_or(PRIVATE);
        if fs::symlink_metadata(path)?.mode() & 0o7777 == wanted {
            return Ok(());
        }
        let bits = Bits::from_bits_truncate(wanted as libc::mode_t);
        Ok(fchmodat(AT_FDCWD, path, bits, FchmodatFlags::NoFollowSymlink)?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Who may write to the directory may have put it in our socket's place.
    #[test]
    fn permissions_are_not_given_through_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let (victim, link) = (directory.path().join("victim"), directory.path().join("link"));
        fs::write(&victim, "").unwrap();
        symlink(&victim, &link).unwrap();
        let before = fs::metadata(&victim).unwrap().mode();
        Access { permissions: Some(0o666), ..Access::default() }.apply(&link).unwrap_err();
        assert_eq!(fs::metadata(&victim).unwrap().mode(), before);
    }
}
