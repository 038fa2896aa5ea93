//! What the two ends of a pump have in common: what kind of handle one is decides how it is read and written
//! without a wait that nothing can end; whose it is, what ending it means.

use std::io::IsTerminal;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, OwnedHandle, RawHandle};
use std::sync::Arc;

use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_DISK, FILE_TYPE_PIPE, GetFileType};

use super::pipe;
use super::stream::Pipe;

/// Whose handle it is decides what ending it means.
#[derive(Debug)]
pub(super) enum Handle {
    /// stdin or stdout, which belong to the process.
    Standard(Standard),
    /// Ours alone: the other side sees it close.
    Owned(OwnedHandle),
    /// A connection's, whose other half may still be in use.
    Pipe(Arc<Pipe>),
}

/// A handle of the process. It is null where there is none, as in a program without a console.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standard(pub(super) RawHandle);

// SAFETY: handles are numbers of the whole process; any thread may use one.
unsafe impl Send for Standard {}
// SAFETY: as above.
unsafe impl Sync for Standard {}

impl AsRawHandle for Handle {
    fn as_raw_handle(&self) -> RawHandle {
        match self {
            Handle::Standard(standard) => standard.0,
            Handle::Owned(handle) => handle.as_raw_handle(),
            Handle::Pipe(pipe) => pipe.as_raw_handle(),
        }
    }
}

/// What a handle is decides which call on it can be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A pipe whose calls can be waited for together with other things.
    Overlapped,
    /// The same, and each call moves one message.
    Messages,
    /// A pipe that keeps messages apart, used for bytes: an empty message is the end.
    ClosableBytes,
    /// A pipe whose calls sleep until they are done, and a device.
    Blocking,
    /// A console, which takes and gives text.
    Console,
    /// Regular files: never long.
    File,
    /// There is none.
    Nothing,
}

impl Kind {
    pub(super) fn of(handle: RawHandle) -> Kind {
        if handle.is_null() {
            return Kind::Nothing;
        }
        // SAFETY: a handle that is not open is an error, which is no kind of file.
        match unsafe { GetFileType(handle) } {
            FILE_TYPE_DISK => Kind::File,
            FILE_TYPE_PIPE if pipe::is_overlapped(handle) => Kind::Overlapped,
            _ if is_terminal(handle) => Kind::Console,
            _ => Kind::Blocking,
        }
    }

    /// Can calls on it be waited for together with other things?
    pub(super) fn is_overlapped(self) -> bool {
        matches!(self, Kind::Overlapped | Kind::Messages | Kind::ClosableBytes)
    }

    /// Does a look at it tell whether anybody is at the other end?
    pub(super) fn may_be_abandoned(self) -> bool {
        self.is_overlapped() || self == Kind::Blocking
    }
}

/// A handle that its owner keeps open meanwhile.
pub(super) fn borrowed(handle: &impl AsRawHandle) -> BorrowedHandle<'_> {
    // SAFETY: whoever lends it has it open, and the loan does not outlive the owner.
    unsafe { BorrowedHandle::borrow_raw(handle.as_raw_handle()) }
}

fn is_terminal(handle: RawHandle) -> bool {
    // SAFETY: borrowed for one call, which answers no for what is not open.
    unsafe { BorrowedHandle::borrow_raw(handle) }.is_terminal()
}
