//! Ownership of a name (DESIGN section 6): taking it, and giving back only what is ours.
//!
//! The file of a socket outlives a server that was killed, so a name that is in use may be stale.
//! Who looks must not disturb: a stream connection would be a client. A datagram socket's connect is
//! refused with EPROTOTYPE by a live server, which notices nothing, and with ECONNREFUSED by a stale
//! file (tried on Linux 6.18).

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::place::Place;
use super::procfs;
use crate::os::directory_of;

/// How long a starter waits for others that take over a stale name in the same directory.
const TAKE_OVER_PATIENCE: Duration = Duration::from_secs(5);
/// How long we stay for that at our end: anybody who may read the directory can hold its lock, and a
/// client may be waiting.
const REMOVE_PATIENCE: Duration = Duration::from_millis(20);

/// A name that we may own: nothing at first, and nothing again once it has been removed.
/// Clones are the same name: one is kept by whoever cleans up when a signal ends us.
#[derive(Clone, Default)]
pub(crate) struct OwnedName(Arc<Mutex<Option<OwnedFile>>>);

/// The socket's file, and the mark by which we know it again.
struct OwnedFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl OwnedName {
    /// Removes the name if the file that has it is still ours. Called before the listener is closed:
    /// as long as it listens, nobody takes the file for a stale one.
    pub(crate) fn remove(&self) {
        // Held until it is done: a signal that comes meanwhile must not end us before.
        let mut owned = self.lock();
        if let Some(ours) = owned.take() {
            // Against --replace between our look and the removal. Without the lock (a file system
            // that has none, or somebody who holds it for ever) the moment is still a very short one.
            let _lock = DirectoryLock::take(&ours.path, REMOVE_PATIENCE);
            if identity(&ours.path).is_ok_and(|found| found == ours.identity) {
                let _ = fs::remove_file(&ours.path);
            }
        }
    }

    /// Calls `bind` until it has a pipe under the name of `place`, which is free, or stale and then
    /// taken over; with `replace` a live one is taken over too.
    pub(super) fn claim<T>(
        &self,
        place: &Place,
        replace: bool,
        bind: impl Fn(&Place) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            match (self.try_bind(place, &bind), place.file()) {
                (Err(error), Some(path)) if error.kind() == io::ErrorKind::AddrInUse => clear_the_way(path, replace)?,
                (Err(error), Some(path)) if error.kind() == io::ErrorKind::AlreadyExists => {
                    clear_the_way_for_fifo(path, replace)?;
                }
                (Err(error), None) if error.kind() == io::ErrorKind::AddrInUse => {
                    return Err(in_use(&place.to_string(), None));
                }
                (Err(error), Some(path)) => return Err(explained(error, path)),
                (bound, _) => return bound,
            }
        }
    }

    /// Binds and notes what is ours in one step: a signal that comes meanwhile waits for the lock.
    fn try_bind<T>(&self, place: &Place, bind: impl Fn(&Place) -> io::Result<T>) -> io::Result<T> {
        let mut owned = self.lock();
        let socket = bind(place)?;
        if let Some(path) = place.file() {
            *owned = Some(OwnedFile { path: path.to_owned(), identity: identity(path)? });
        }
        Ok(socket)
    }

    fn lock(&self) -> MutexGuard<'_, Option<OwnedFile>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for OwnedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnedName")
    }
}

/// What a look at a name that is in use shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Free,
    Stale,
    Live,
}

/// Removes a stale socket at `path`, or any with `replace`, or says why the name cannot be had.
fn clear_the_way(path: &Path, replace: bool) -> io::Result<()> {
    match look(path)? {
        State::Free => Ok(()),
        State::Live if replace => remove_live(path),
        State::Live => Err(in_use(&path.display().to_string(), procfs::listener_at(path))),
        State::Stale => remove_stale(path),
    }
}

/// Two starters that both found the name stale must not remove each other's new socket: under the
/// directory's lock each looks once more, and only the first still finds a stale one.
fn remove_stale(path: &Path) -> io::Result<()> {
    let _lock = DirectoryLock::take(path, TAKE_OVER_PATIENCE).map_err(|error| {
        io::Error::new(error.kind(), format!("a stale socket is there, and {error}; remove it by hand"))
    })?;
    if look(path)? == State::Stale { fs::remove_file(path) } else { Ok(()) }
}

/// Takes a name from a server that lives. Under the lock, so that the server's own removal at its end
/// cannot come between and find our file.
fn remove_live(path: &Path) -> io::Result<()> {
    let _lock = DirectoryLock::take(path, TAKE_OVER_PATIENCE)?;
    match look(path)? {
        State::Free => Ok(()),
        State::Live | State::Stale => fs::remove_file(path),
    }
}

/// A FIFO takes the place of another only if it was asked to: who uses one cannot be known.
fn clear_the_way_for_fifo(path: &Path, replace: bool) -> io::Result<()> {
    let is_fifo = || fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_fifo());
    if !replace || !is_fifo() {
        return Err(occupied(path));
    }
    let _lock = DirectoryLock::take(path, TAKE_OVER_PATIENCE)?;
    if is_fifo() { fs::remove_file(path) } else { Ok(()) }
}

fn occupied(path: &Path) -> io::Error {
    let why = match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_fifo() => {
            "a FIFO is there: 'connect' uses it, 'serve --replace fifo:PATH' makes it anew".to_owned()
        }
        Ok(found) => format!("{} is there, and stays there", what_it_is(&found)),
        Err(error) => return error,
    };
    io::Error::new(io::ErrorKind::AlreadyExists, why)
}

/// Looks at a socket without disturbing it.
pub(super) fn look(path: &Path) -> io::Result<State> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Free),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => return Err(occupied(path)),
        Ok(_) => {}
    }
    let probe = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    match rustix::net::connect(&probe, &Place::File(path.to_owned()).socket_address()?) {
        Ok(()) | Err(Errno::PROTOTYPE) => Ok(State::Live),
        Err(Errno::CONNREFUSED) => Ok(State::Stale),
        Err(Errno::NOENT) => Ok(State::Free),
        Err(Errno::ACCESS) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another user's socket is there")),
        Err(error) => Err(error.into()),
    }
}

/// What a file is, for a sentence.
pub(super) fn what_it_is(found: &fs::Metadata) -> &'static str {
    match found.file_type() {
        kind if kind.is_dir() => "a directory",
        kind if kind.is_symlink() => "a symbolic link",
        kind if kind.is_fifo() => "a FIFO",
        kind if kind.is_file() => "a regular file",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

fn in_use(place: &str, pid: Option<u32>) -> io::Error {
    let owner = pid.map_or_else(|| "another process".to_owned(), |pid| format!("pid {pid}"));
    io::Error::new(io::ErrorKind::AddrInUse, format!("'{place}' is already served by {owner}"))
}

/// ENOENT of a bind or a connect can mean the directory: say so.
pub(super) fn explained(error: io::Error, path: &Path) -> io::Error {
    let directory = directory_of(path);
    if error.kind() == io::ErrorKind::NotFound && !directory.is_dir() {
        return io::Error::new(error.kind(), format!("there is no directory '{}'", directory.display()));
    }
    error
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

/// flock(2) of the directory that holds a name; given back on drop.
struct DirectoryLock(#[expect(dead_code, reason = "held for its lock")] File);

impl DirectoryLock {
    /// Takes the lock within `patience`: anybody who may read the directory can hold it.
    fn take(path: &Path, patience: Duration) -> io::Result<Self> {
        let directory = directory_of(path);
        let failed = |why: &dyn fmt::Display| {
            io::Error::other(format!("its directory '{}' cannot be locked ({why})", directory.display()))
        };
        let handle = File::open(directory).map_err(|error| failed(&error))?;
        let give_up = Instant::now() + patience;
        loop {
            match handle.try_lock() {
                Ok(()) => return Ok(DirectoryLock(handle)),
                Err(TryLockError::WouldBlock) if Instant::now() < give_up => thread::sleep(Duration::from_millis(2)),
                Err(error) => return Err(failed(&error)),
            }
        }
    }
}
