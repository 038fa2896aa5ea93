//! Calls that can be waited for together with other things: the only way in which a read can be ended, and
//! in which a pipe can be read and written at once (calls on a handle that is not overlapped queue up).

use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, ERROR_MORE_DATA, GetLastError};
use windows_sys::Win32::Storage::FileSystem::{ReadFile, WriteFile};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Pipes::ConnectNamedPipe;

use super::pump::Waiting;
use super::wake::Event;
use crate::os::Ended;

/// How a call ended. One that was interrupted may have done its work all the same.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Bytes, or a Windows error code.
    pub(super) moved: Result<usize, u32>,
    /// What came first, if something did.
    pub(super) interrupted: Option<Ended>,
    /// Is there more of this message? Then the bytes are its first ones.
    pub(super) more: bool,
}

/// Reads what is there, waiting until there is something.
pub(super) fn read(handle: BorrowedHandle<'_>, event: &Event, buffer: &mut [u8], waiting: &Waiting<'_>) -> Outcome {
    let length = as_length(buffer.len());
    run(handle, event, waiting, |overlapped| {
        // SAFETY: the buffer has this length, and both it and `overlapped` outlive the call: `run` returns
        // only when it is over.
        unsafe { ReadFile(handle.as_raw_handle(), buffer.as_mut_ptr(), length, std::ptr::null_mut(), overlapped) }
    })
}

/// Writes all of `bytes`: one message, where the pipe has messages.
pub(super) fn write(handle: BorrowedHandle<'_>, event: &Event, bytes: &[u8], waiting: &Waiting<'_>) -> Outcome {
    let length = as_length(bytes.len());
    run(handle, event, waiting, |overlapped| {
        // SAFETY: as for reading; nothing is written to the buffer.
        unsafe { WriteFile(handle.as_raw_handle(), bytes.as_ptr(), length, std::ptr::null_mut(), overlapped) }
    })
}

/// Waits for a client of a pipe that we serve.
pub(super) fn connect(handle: BorrowedHandle<'_>, event: &Event, waiting: &Waiting<'_>) -> Outcome {
    run(handle, event, waiting, |overlapped| {
        // SAFETY: `overlapped` outlives the call, as above.
        unsafe { ConnectNamedPipe(handle.as_raw_handle(), overlapped) }
    })
}

/// A message is no longer than `--max-message`, which is below 2 GiB, and a piece is far shorter.
pub(super) fn as_length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Begins a call, and returns when the system has let go of everything that was given to it.
fn run(
    handle: BorrowedHandle<'_>,
    event: &Event,
    waiting: &Waiting<'_>,
    call: impl FnOnce(*mut OVERLAPPED) -> i32,
) -> Outcome {
    let mut overlapped = OVERLAPPED { hEvent: event.as_raw_handle(), ..OVERLAPPED::default() };
    let done = call(&raw mut overlapped) != 0;
    // SAFETY: reads the calling thread's own variable.
    let code = unsafe { GetLastError() };
    if !done && code != ERROR_IO_PENDING && code != ERROR_MORE_DATA {
        return Outcome { moved: Err(code), interrupted: None, more: false };
    }
    let interrupted = if done { None } else { waiting.until(event.as_raw_handle()).err() };
    if interrupted.is_some() {
        // SAFETY: the operation is this handle's; that it is over already is a legal answer.
        unsafe { CancelIoEx(handle.as_raw_handle(), &raw const overlapped) };
    }
    let (mut moved, wait) = (0, 1);
    // SAFETY: the operation began on this handle with this structure. Cancelled or not, it ends here.
    let fine = unsafe { GetOverlappedResult(handle.as_raw_handle(), &raw const overlapped, &raw mut moved, wait) } != 0;
    // SAFETY: as above.
    let code = unsafe { GetLastError() };
    let more = !fine && code == ERROR_MORE_DATA;
    Outcome { moved: if fine || more { Ok(moved as usize) } else { Err(code) }, interrupted, more }
}

/// A Windows error code as an error.
pub(super) fn error(code: u32) -> io::Error {
    io::Error::from_raw_os_error(code.cast_signed())
}
