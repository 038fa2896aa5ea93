//! `--ready-fd`: telling a supervisor that clients can connect.

use std::fs::File;
use std::io::{self, Write};
use std::os::windows::io::RawHandle;

use super::handles::{close_unless_standard, duplicate};

/// An open handle of our parent's, to be written to once.
#[derive(Debug)]
pub(crate) struct ReadyHandle(File);

impl ReadyHandle {
    /// Takes the inherited HANDLE `number`, which has to be open and is closed in the end.
    ///
    /// # Errors
    /// `ERROR_INVALID_HANDLE` where it is not.
    pub(crate) fn open(number: u32) -> io::Result<Self> {
        let raw = number as usize as RawHandle;
        let handle = duplicate(raw)?;
        close_unless_standard(raw);
        Ok(ReadyHandle(handle.into()))
    }

    /// Says that we are ready: a newline, and the end of data.
    pub(crate) fn ready(mut self) -> io::Result<()> {
        self.0.write_all(b"\n")
    }
}
