//! `--ready-fd`: telling a supervisor that clients can connect, as s6 does it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{BorrowedFd, FromRawFd, RawFd};

use rustix::io::{Errno, FdFlags};

/// An open handle of our parent's, to be written to once.
#[derive(Debug)]
pub(crate) struct ReadyHandle(File);

impl ReadyHandle {
    /// Takes the inherited file descriptor `number`, which has to be open and is closed in the end.
    ///
    /// # Errors
    /// `EBADF` where it is not.
    pub(crate) fn open(number: u32) -> io::Result<Self> {
        let fd = RawFd::try_from(number).map_err(|_| Errno::BADF)?;
        // SAFETY: borrowed for one fcntl, which checks itself that it is open and else gives EBADF.
        let inherited = unsafe { BorrowedFd::borrow_raw(fd) };
        rustix::io::fcntl_setfd(inherited, FdFlags::CLOEXEC)?;
        Ok(ReadyHandle(match fd {
            // These are in use for other things.
            0..=2 => rustix::io::fcntl_dupfd_cloexec(inherited, 3)?.into(),
            // SAFETY: it is open, it was given to us for this, and nobody else here knows its number.
            _ => unsafe { File::from_raw_fd(fd) },
        }))
    }

    /// Says that we are ready: a newline, and the end of data.
    pub(crate) fn ready(mut self) -> io::Result<()> {
        self.0.write_all(b"\n")
    }
}
