//! Programs that we start: how they are told to end, and what their end is to us.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::process::ExitStatus;
use std::time::Duration;

use windows_sys::Win32::System::Threading::{OpenProcess, PROCESS_SYNCHRONIZE};

use super::command::Command;
use super::wake::wait;

/// Windows cannot put another program into this process: pipetool stays, and this is never asked for.
pub(crate) fn become_command(_: &mut Command) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "on Windows a process cannot go on as another program")
}

/// Each child inherits what is on its list, and nothing else.
pub(crate) fn keep_from_children() {}

/// There is nothing that a child would have to have of its own.
pub(crate) fn prepare_child(_: &mut Command) {}

/// There is no such limit.
pub(crate) fn raise_handle_limit() {}

/// A child cannot be asked to end: it sees its pipes end, and Ctrl-C reaches it from the console.
pub(crate) fn end_politely(_: u32) {}

/// There are no signals but those of the console, which reach it anyway.
pub(crate) fn signal_child(_: u32, _: i32) {}

/// Ctrl-Break is another Ctrl-C here.
pub(crate) fn survive_quit() {}

/// Waits until a child has ended, and leaves it to be waited for: until then nobody else gets its number.
pub(crate) fn wait_for_end(child: u32) {
    wait_until(child, None);
}

/// Waits until a child has ended, or `limit` is over: has it ended?
fn wait_until(child: u32, limit: Option<Duration>) -> bool {
    // SAFETY: a process that is not there is a null handle.
    let process = unsafe { OpenProcess(PROCESS_SYNCHRONIZE, 0, child) };
    if process.is_null() {
        return true;
    }
    // SAFETY: just opened.
    let process = unsafe { OwnedHandle::from_raw_handle(process) };
    !matches!(wait(&[process.as_raw_handle()], limit), Ok(None))
}

/// Does a child end within `limit`?
pub(crate) fn ends_within(child: u32, limit: Duration) -> bool {
    wait_until(child, Some(limit))
}

/// The exit code of a child, all of its 32 bits.
pub(crate) fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or(1)
}
