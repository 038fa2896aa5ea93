//! Processes and users on Windows: how we end, and who we are (not there yet).

use std::io;

use super::not_yet;

/// What Ctrl-C is called here.
pub(crate) const INTERRUPT: i32 = 2;
/// Windows has no SIGPIPE: a broken stdout is a failure.
pub(crate) const STDOUT_CLOSED_CODE: u8 = 1;
/// The exit code of a process that Ctrl-C ended (STATUS_CONTROL_C_EXIT).
const CONTROL_C_EXIT: u32 = 0xC000_013A;

/// Ctrl-C and Ctrl-Break are all there is, and they come by another door.
pub(crate) fn on_termination(_: impl Fn(i32) + Send + 'static) -> io::Result<()> {
    Ok(())
}

pub(crate) fn die_of_signal(_: i32) -> ! {
    std::process::exit(CONTROL_C_EXIT.cast_signed())
}

pub(crate) fn die_of_closed_stdout() -> ! {
    std::process::exit(STDOUT_CLOSED_CODE.into())
}

pub(crate) fn error_text(code: i32) -> String {
    let text = io::Error::from_raw_os_error(code).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

pub(crate) fn current_user() -> u32 {
    0
}

pub(crate) fn user_name(_: u32) -> Option<String> {
    None
}

pub(crate) fn user_id(_: &str) -> Option<u32> {
    None
}

pub(crate) fn group_id(_: &str) -> Option<u32> {
    None
}

#[derive(Debug)]
pub(crate) struct ReadyHandle;

impl ReadyHandle {
    pub(crate) fn open(_: u32) -> io::Result<Self> {
        Err(not_yet("--ready-fd"))
    }

    pub(crate) fn ready(self) -> io::Result<()> {
        Err(not_yet("--ready-fd"))
    }
}
