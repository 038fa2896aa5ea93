//! The signal that ends a pump which waits.

use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;

/// How long we wait for free file descriptors, and how often we look.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// Given once, it stays given: every poll that watches it returns from then on.
#[derive(Debug)]
pub(crate) struct Wake {
    watched: PipeReader,
    given: PipeWriter,
}

impl Wake {
    /// # Errors
    /// `EMFILE` or `ENFILE` only after a while: others close theirs, and a client is waiting.
    pub(crate) fn new() -> io::Result<Self> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            match io::pipe() {
                Ok((watched, given)) => return Ok(Wake { watched, given }),
                Err(error) if !is_out_of_descriptors(&error) || Instant::now() >= give_up => return Err(error),
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }

    /// Ends all pumps that have this wake signal. The byte is never read, so that all see it.
    pub(crate) fn give(&self) {
        // An empty pipe takes a byte; and if it did not, a byte from before is in it.
        let _ = (&self.given).write(&[1]);
    }
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watched.as_fd()
    }
}
