//! The signal that ends a pump which waits.

use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, BorrowedFd};

/// Given once, it stays given: every poll that watches it returns from then on.
pub(crate) struct Wake {
    watched: PipeReader,
    given: PipeWriter,
}

impl Wake {
    pub(crate) fn new() -> io::Result<Self> {
        let (watched, given) = io::pipe()?;
        Ok(Wake { watched, given })
    }

    /// Ends all pumps that have this wake signal. The byte is never read, so that all see it.
    pub(crate) fn give(&self) {
        // An empty pipe takes a byte; and if it did not, a byte from before is in it.
        let _ = (&self.given).write(&[1]);
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watched.as_fd()
    }
}
