//! An overlapped call that is begun, and looked after later: so one thread has any number of them under way.
//!
//! All of them tell of their end by one event, which that thread waits for; then it looks at each. A call that
//! begins takes the event back, so that a look has to come between the last beginning and the wait.

use std::cell::UnsafeCell;
use std::io;
use std::os::windows::io::{AsRawHandle, RawHandle};
use std::ptr::null_mut;
use std::sync::{Arc, LazyLock};

use windows_sys::Win32::Foundation::{ERROR_IO_INCOMPLETE, ERROR_IO_PENDING, ERROR_MORE_DATA, GetLastError};
use windows_sys::Win32::Storage::FileSystem::{ReadFile, WriteFile};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Pipes::ConnectNamedPipe;

use super::overlapped::as_length;
use super::pump::LOOK_EVERY;
use super::wake::{Event, wait};

static SOMETHING_IS_OVER: LazyLock<Option<Event>> = LazyLock::new(|| Event::new().ok());

/// What tells that a call is over, whichever it is.
pub(super) fn something_is_over() -> io::Result<&'static Event> {
    SOMETHING_IS_OVER.as_ref().ok_or_else(|| io::Error::other("there is no event to wait for"))
}

/// One call after another on a handle. Dropped, it ends the one that is under way.
#[derive(Debug)]
pub(super) struct Call<H: AsRawHandle> {
    handle: Arc<H>,
    /// The system writes to both while a call is under way. Neither moves, and nobody looks at them then.
    overlapped: Box<UnsafeCell<OVERLAPPED>>,
    buffer: Vec<u8>,
    state: State,
}

// SAFETY: the handles in it are numbers of the whole process, and the rest is memory that is its own.
unsafe impl<H: AsRawHandle + Send + Sync> Send for Call<H> {}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    /// Something is waited for.
    Taking,
    /// Something is written.
    Giving,
    Over(Done),
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    /// Bytes, or a Windows error code.
    pub(super) moved: Result<usize, u32>,
    /// Is there more of this message? Then the bytes are its first ones.
    pub(super) more: bool,
}

impl<H: AsRawHandle> Call<H> {
    pub(super) fn new(handle: Arc<H>) -> Self {
        Call { handle, overlapped: Box::default(), buffer: Vec::new(), state: State::Idle }
    }

    pub(super) fn handle(&self) -> &Arc<H> {
        &self.handle
    }

    /// What was read last.
    pub(super) fn bytes(&self, count: usize) -> &[u8] {
        self.buffer.get(..count).unwrap_or_default()
    }

    /// Begins to read at most `most` bytes, or one message's first ones. Only called when it is idle, as are those
    /// below.
    pub(super) fn read(&mut self, most: usize) {
        self.buffer.resize(most, 0);
        self.begin(State::Taking, |handle, bytes, length, overlapped| {
            // SAFETY: the buffer has this length, and both it and `overlapped` stay until the call is over.
            unsafe { ReadFile(handle, bytes, length, null_mut(), overlapped) }
        });
    }

    /// Begins to write all of `bytes`, of which it keeps a copy.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.buffer = bytes.to_vec();
        self.begin(State::Giving, |handle, bytes, length, overlapped| {
            // SAFETY: as for reading; nothing is written to the buffer.
            unsafe { WriteFile(handle, bytes, length, null_mut(), overlapped) }
        });
    }

    /// Begins to wait for a client of a pipe that we serve.
    pub(super) fn connect(&mut self) {
        self.begin(State::Taking, |handle, _, _, overlapped| {
            // SAFETY: as above.
            unsafe { ConnectNamedPipe(handle, overlapped) }
        });
    }

    fn begin(&mut self, state: State, call: impl FnOnce(RawHandle, *mut u8, u32, *mut OVERLAPPED) -> i32) {
        let event = something_is_over().map_or(null_mut(), AsRawHandle::as_raw_handle);
        *self.overlapped.get_mut() = OVERLAPPED { hEvent: event, ..OVERLAPPED::default() };
        let (handle, length) = (self.handle.as_raw_handle(), as_length(self.buffer.len()));
        let began = call(handle, self.buffer.as_mut_ptr(), length, self.overlapped.get()) != 0;
        // SAFETY: reads the calling thread's own variable.
        let code = unsafe { GetLastError() };
        self.state = if began || code == ERROR_IO_PENDING || code == ERROR_MORE_DATA {
            state
        } else {
            State::Over(Done { moved: Err(code), more: false })
        };
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Looks whether a call is under way still.
    pub(super) fn is_under_way(&mut self) -> bool {
        let gives = matches!(self.state, State::Giving);
        if !gives && !matches!(self.state, State::Taking) {
            return false;
        }
        let Some(done) = self.result() else { return true };
        if gives {
            // There may be thousands of such copies.
            self.buffer = Vec::new();
        }
        self.state = State::Over(done);
        false
    }

    /// How the call ended, if it has and was not taken yet.
    pub(super) fn done(&mut self) -> Option<Done> {
        self.is_under_way();
        if let State::Over(done) = self.state { Some(done) } else { None }
    }

    /// The same, which makes room for the next.
    pub(super) fn take(&mut self) -> Option<Done> {
        let done = self.done()?;
        self.state = State::Idle;
        Some(done)
    }

    /// Waits for the end of a call that needs nobody for it.
    pub(super) fn finish(&mut self) -> Option<Done> {
        while self.is_under_way() {
            let Ok(event) = something_is_over() else { continue };
            event.reset();
            if self.is_under_way() {
                let _ = wait(&[event.as_raw_handle()], Some(LOOK_EVERY));
            }
        }
        self.take()
    }

    fn result(&self) -> Option<Done> {
        let (mut moved, at_once) = (0, 0);
        // SAFETY: a call began on this handle with this structure, which is looked at and not waited for.
        let fine =
            unsafe { GetOverlappedResult(self.handle.as_raw_handle(), self.overlapped.get(), &raw mut moved, at_once) };
        // SAFETY: as above.
        let code = unsafe { GetLastError() };
        let more = fine == 0 && code == ERROR_MORE_DATA;
        let moved = if fine != 0 || more { Ok(moved as usize) } else { Err(code) };
        (moved != Err(ERROR_IO_INCOMPLETE)).then_some(Done { moved, more })
    }
}

impl<H: AsRawHandle> Drop for Call<H> {
    fn drop(&mut self) {
        if self.is_under_way() {
            // SAFETY: the call is this handle's; that it is over already is a legal answer.
            unsafe { CancelIoEx(self.handle.as_raw_handle(), self.overlapped.get()) };
            self.finish();
        }
    }
}
