//! What a service manager gives and wants to know: listening sockets that it has made for us (LISTEN_FDS), and
//! that clients can connect (NOTIFY_SOCKET). systemd's sd_listen_fds(3) and sd_notify(3) describe both; s6's
//! and Finit's tools, podman and others do the same.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use rustix::io::FdFlags;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

use super::place::Place;
use crate::os::Mode;

/// The number of the first socket that is handed over (`SD_LISTEN_FDS_START`).
const FIRST: RawFd = 3;

/// What is meant for this process alone, and not for its children.
const VARIABLES: [&str; 4] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET"];

/// Sockets that were made for us. Each is closed with this, unless it is taken out.
#[derive(Debug)]
pub(crate) struct HandedOver(Vec<Handed>);

#[derive(Debug)]
struct Handed {
    socket: OwnedFd,
    /// What its giver calls it.
    name: String,
}

impl HandedOver {
    /// Takes what LISTEN_FDS hands to this process: nothing, where it is for another one or not there.
    ///
    /// # Errors
    /// `InvalidInput` for variables that make no sense, `EBADF` where less is open than they say.
    pub(crate) fn take() -> io::Result<Self> {
        let count = match (variable("LISTEN_PID")?, variable("LISTEN_FDS")?) {
            (Some(pid), Some(count)) if pid == std::process::id() => {
                RawFd::try_from(count).unwrap_or(RawFd::MAX - FIRST)
            }
            _ => 0,
        };
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let take = |number| Handed::take(number, names.next().unwrap_or_default().to_owned());
        (FIRST..FIRST.saturating_add(count)).map(take).collect::<io::Result<_>>().map(HandedOver)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is `number` the one of such a socket?
    pub(crate) fn holds(&self, number: u32) -> bool {
        self.0.iter().any(|handed| u32::try_from(handed.socket.as_raw_fd()) == Ok(number))
    }

    /// The listening socket at `place`, or that is called `name`.
    ///
    /// # Errors
    /// One sentence about what was handed over instead.
    pub(super) fn choose(self, place: &Place, name: Option<&str>, mode: Mode) -> io::Result<(OwnedFd, String)> {
        let is_it = |handed: &Handed| stands_at(handed, place) || name == Some(&handed.name);
        let there: Vec<String> = self.0.iter().map(Handed::called).collect();
        let Some(chosen) = self.0.into_iter().find(is_it) else {
            let is_none = if there.len() == 1 { "that is not" } else { "none of them is" };
            return Err(refuse(format!("LISTEN_FDS hands over {}, and {is_none} this pipe", there.join(" and "))));
        };
        let called = chosen.called();
        if !rustix::net::sockopt::socket_acceptconn(&chosen.socket).unwrap_or(false) {
            return Err(refuse(format!(
                "{called}, from LISTEN_FDS, does not listen: for a connection (Accept=yes) there is 'connect fd:N'"
            )));
        }
        let kind = rustix::net::sockopt::socket_type(&chosen.socket)?;
        match (kind, mode) {
            (SocketType::STREAM, Mode::Byte) | (SocketType::SEQPACKET, Mode::Message) => {}
            (SocketType::SEQPACKET, Mode::Byte) => {
                return Err(refuse(format!("{called}, from LISTEN_FDS, keeps messages apart: say '--mode message'")));
            }
            _ => return Err(refuse(format!("{called}, from LISTEN_FDS, carries bytes: leave '--mode message' out"))),
        }
        // It is ours to accept at: whoever gave it away only waits for the first client.
        rustix::io::ioctl_fionbio(&chosen.socket, true)?;
        Ok((chosen.socket, called))
    }
}

/// A number in the environment.
fn variable(name: &str) -> io::Result<Option<u32>> {
    let wrong = || refuse(format!("{name} is no number"));
    std::env::var_os(name).map(|text| text.to_str().and_then(|text| text.parse().ok()).ok_or_else(wrong)).transpose()
}

impl Handed {
    fn take(number: RawFd, name: String) -> io::Result<Self> {
        // SAFETY: borrowed for one fcntl, which checks itself that it is open and else gives EBADF.
        let inherited = unsafe { BorrowedFd::borrow_raw(number) };
        rustix::io::fcntl_setfd(inherited, FdFlags::CLOEXEC)?;
        // SAFETY: it is open, it was given to us to be used, and nobody else here knows its number: this is
        // called once for each, before anything of ours is opened.
        Ok(Handed { socket: unsafe { OwnedFd::from_raw_fd(number) }, name })
    }

    fn address(&self) -> Option<SocketAddrUnix> {
        let address = rustix::net::getsockname(self.socket.as_fd()).ok()?;
        (address.address_family() == AddressFamily::UNIX).then(|| address.try_into().ok()).flatten()
    }

    /// What to call it in a sentence: its address, else its name.
    fn called(&self) -> String {
        let Some(address) = self.address() else { return format!("'{}'", self.name) };
        match (address.path_bytes(), abstract_name(&address)) {
            (Some(path), _) => format!("'{}'", String::from_utf8_lossy(path)),
            (None, Some(name)) => format!("'@{}'", String::from_utf8_lossy(name)),
            (None, None) => format!("'{}'", self.name),
        }
    }
}

fn stands_at(handed: &Handed, place: &Place) -> bool {
    let Some(address) = handed.address() else { return false };
    let absolute = |path: &Path| std::path::absolute(path).ok();
    match place {
        Place::File(path) => {
            address.path_bytes().is_some_and(|bytes| absolute(Path::new(OsStr::from_bytes(bytes))) == absolute(path))
        }
        Place::Abstract(name) => abstract_name(&address) == Some(name.as_bytes()),
        Place::Fifo(_) | Place::Handles(..) => false,
    }
}

#[cfg(target_os = "linux")]
fn abstract_name(address: &SocketAddrUnix) -> Option<&[u8]> {
    address.abstract_name()
}

#[cfg(not(target_os = "linux"))]
fn abstract_name(_: &SocketAddrUnix) -> Option<&[u8]> {
    None
}

/// Tells whoever started us that clients can connect, if it wants to know.
///
/// # Errors
/// Of a NOTIFY_SOCKET that cannot be written to.
pub(crate) fn notify_ready() -> io::Result<()> {
    let Some(address) = std::env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty()) else { return Ok(()) };
    let place = match address.as_bytes() {
        [b'@', name @ ..] => Place::Abstract(OsStr::from_bytes(name).to_owned()),
        path => Place::File(Path::new(OsStr::from_bytes(path)).to_owned()),
    };
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // One that has not read what others said is not worth waiting for.
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    rustix::net::sendto(&socket, b"READY=1\n", flags, &place.socket_address()?)?;
    Ok(())
}

/// Keeps all this from a child, which may even become what this process is.
pub(super) fn forget(command: &mut Command) {
    for variable in VARIABLES {
        command.env_remove(variable);
    }
}

fn refuse(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}
