//! `--ready-fd`: telling a supervisor that clients can connect, as s6 does it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{BorrowedFd, RawFd};

/// An open handle of our parent's, to be written to once.
#[derive(Debug)]
pub(crate) struct ReadyHandle(File);

impl ReadyHandle {
    /// Takes the inherited file descriptor `number`, which has to be open.
    ///
    /// # Errors
    /// `EBADF` where it is not.
    pub(crate) fn open(number: u32) -> io::Result<Self> {
        let fd = RawFd::try_from(number).map_err(|_| rustix::io::Errno::BADF)?;
        // SAFETY: borrowed for one fcntl, which checks itself that it is open and else gives EBADF.
        let inherited = unsafe { BorrowedFd::borrow_raw(fd) };
        // A copy, so that what is 0 to 2 stays open and nothing that others hold is closed by us.
        Ok(ReadyHandle(rustix::io::fcntl_dupfd_cloexec(inherited, 3)?.into()))
    }

    /// Says that we are ready: a newline.
    pub(crate) fn ready(mut self) -> io::Result<()> {
        self.0.write_all(b"\n")
    }
}
