//! FIFOs: pipes with a name in the file system, one way, whose other end says not who it is.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::stream::Stream;
use crate::os::{Attempt, OneWay, Seen};

/// A FIFO that is to be opened, once or again and again.
#[derive(Debug)]
pub(super) struct Fifo {
    path: PathBuf,
    /// Which file that was.
    identity: Option<(u64, u64)>,
    way: OneWay,
    /// An open for reading that is under way: it lasts until somebody writes.
    opening: Mutex<Option<Receiver<io::Result<File>>>>,
    /// A write end of our own: with it there is no end of data between two writers.
    held: OnceLock<File>,
}

impl Fifo {
    pub(super) fn new(path: PathBuf, way: OneWay) -> Self {
        Fifo { identity: identity(&path), path, way, opening: Mutex::default(), held: OnceLock::new() }
    }

    /// Is it no more what its path leads to?
    pub(super) fn was_replaced(&self) -> bool {
        identity(&self.path) != self.identity
    }

    /// Makes the file, which nobody can open before its permissions are set.
    pub(super) fn create(path: &Path) -> io::Result<()> {
        Ok(rustix::fs::mkfifoat(rustix::fs::CWD, path, Mode::empty())?)
    }

    /// Is somebody at the other end?
    pub(super) fn attempt(&self) -> io::Result<Attempt> {
        let file = match self.way {
            OneWay::In => self.open_for_reading(),
            OneWay::Out => self.open_for_writing(),
        }?;
        let Some(file) = file else { return Ok(Attempt::NotYet(self.missing())) };
        if !file.metadata()?.file_type().is_fifo() {
            return Err(io::Error::other("the file there is no FIFO"));
        }
        let file = OwnedFd::from(file);
        Ok(Attempt::Connected(match self.way {
            OneWay::In => Stream::FifoIn(file),
            OneWay::Out => Stream::FifoOut(file),
        }))
    }

    /// Keeps data coming from one writer after another. Called when there is one.
    pub(super) fn hold_open(&self) -> io::Result<()> {
        if self.way == OneWay::In && self.held.get().is_none() {
            let _ = self.held.set(open(OpenOptions::new().write(true), OFlags::NONBLOCK, &self.path)?);
        }
        Ok(())
    }

    /// Who is not there yet.
    pub(super) fn missing(&self) -> Seen {
        match self.way {
            OneWay::In => Seen::NoWriter,
            OneWay::Out => Seen::NoReader,
        }
    }

    /// fifo(7): ENXIO as long as nobody reads.
    fn open_for_writing(&self) -> io::Result<Option<File>> {
        match open(OpenOptions::new().write(true), OFlags::NONBLOCK, &self.path) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NXIO) => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// fifo(7): without a writer a non-blocking open succeeds and says nothing, so a thread waits in a
    /// blocking one. It is not waited for at our end.
    fn open_for_reading(&self) -> io::Result<Option<File>> {
        if self.held.get().is_some() {
            return open(OpenOptions::new().read(true), OFlags::NONBLOCK, &self.path).map(Some);
        }
        let mut opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = if let Some(opening) = &*opening {
            opening.try_recv()
        } else {
            let (tell, hear) = channel();
            let path = self.path.clone();
            thread::Builder::new().name("fifo".into()).spawn(move || {
                // Nobody listens any more when the wait was over first.
                let _ = tell.send(open(OpenOptions::new().read(true), OFlags::empty(), &path));
            })?;
            *opening = Some(hear);
            Err(TryRecvError::Empty)
        };
        match opened {
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(io::Error::other("nobody waits for a writer any more")),
            Ok(file) => {
                *opening = None;
                let file = file?;
                rustix::io::ioctl_fionbio(&file, true)?;
                Ok(Some(file))
            }
        }
    }
}

fn open(options: &mut OpenOptions, flags: OFlags, path: &Path) -> io::Result<File> {
    options.custom_flags(flags.bits().cast_signed()).open(path)
}

/// What tells one file from another.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// Both ways, or either: a FIFO cannot.
pub(super) fn no_way() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "a FIFO goes one way only: say '-d in' or '-d out', or redirect stdin or stdout",
    )
}

/// Is a socket or a FIFO at `path`?
pub(crate) fn is_pipe(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo() || found.file_type().is_socket())
}

/// Is there a FIFO at `path`?
pub(super) fn is_at(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
}
