//! Events: the signal that ends a pump which waits, and what an overlapped call tells its end by.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::ptr::null;
use std::time::Duration;

use windows_sys::Win32::Foundation::{WAIT_OBJECT_0, WAIT_TIMEOUT};
use windows_sys::Win32::System::Threading::{CreateEventW, INFINITE, ResetEvent, SetEvent, WaitForMultipleObjects};

/// Stays set until a call that uses it begins.
#[derive(Debug)]
pub(super) struct Event(OwnedHandle);

impl Event {
    pub(super) fn new() -> io::Result<Self> {
        let (manual_reset, not_set) = (1, 0);
        // SAFETY: no attributes and no name are legal; the handle that comes back is ours alone.
        let event = unsafe { CreateEventW(null(), manual_reset, not_set, null()) };
        if event.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just made, and not null.
        Ok(Event(unsafe { OwnedHandle::from_raw_handle(event) }))
    }

    pub(super) fn set(&self) {
        // SAFETY: the handle is open. Setting an event of one's own does not fail.
        unsafe { SetEvent(self.0.as_raw_handle()) };
    }

    pub(super) fn reset(&self) {
        // SAFETY: as above.
        unsafe { ResetEvent(self.0.as_raw_handle()) };
    }

    pub(super) fn is_set(&self) -> bool {
        matches!(wait(&[self.as_raw_handle()], Some(Duration::ZERO)), Ok(Some(_)))
    }
}

impl AsRawHandle for Event {
    fn as_raw_handle(&self) -> RawHandle {
        self.0.as_raw_handle()
    }
}

/// Given once, it stays given: every wait that watches it returns from then on.
#[derive(Debug)]
pub(crate) struct Wake(Event);

impl Wake {
    pub(crate) fn new() -> io::Result<Self> {
        Event::new().map(Wake)
    }

    /// Ends all pumps that have this wake signal.
    pub(crate) fn give(&self) {
        self.0.set();
    }
}

impl AsRawHandle for Wake {
    fn as_raw_handle(&self) -> RawHandle {
        self.0.as_raw_handle()
    }
}

/// Waits until one of `handles` is signalled: the first that is, or none when `timeout` is over.
pub(super) fn wait(handles: &[RawHandle], timeout: Option<Duration>) -> io::Result<Option<usize>> {
    // A wait of 49 days and more has no end here.
    let timeout = timeout.map_or(INFINITE, |timeout| u32::try_from(timeout.as_millis()).unwrap_or(INFINITE));
    let count = u32::try_from(handles.len()).unwrap_or(0);
    // SAFETY: `count` handles are there, each of them open as long as its owner, who waits here.
    match unsafe { WaitForMultipleObjects(count, handles.as_ptr(), 0, timeout) } {
        WAIT_TIMEOUT => Ok(None),
        signalled if signalled.wrapping_sub(WAIT_OBJECT_0) < count => Ok(Some((signalled - WAIT_OBJECT_0) as usize)),
        _ => Err(io::Error::last_os_error()),
    }
}
