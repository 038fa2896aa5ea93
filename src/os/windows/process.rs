//! Processes and users on Windows: how we end, and who we are (not there yet).

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::not_yet;

/// What Ctrl-C is called here.
pub(crate) const INTERRUPT: i32 = 2;
/// Windows has no SIGPIPE: a broken stdout is a failure.
pub(crate) const STDOUT_CLOSED_CODE: u8 = 1;
/// The exit code of a process that Ctrl-C ended (STATUS_CONTROL_C_EXIT).
const CONTROL_C_EXIT: u32 = 0xC000_013A;

/// There is no such signal; a number that none has.
pub(crate) const SIGTERM: i32 = 15;

/// Ctrl-C and Ctrl-Break are all there is, and they come by another door.
pub(crate) fn on_termination(_: &Arc<AtomicBool>, _: impl Fn(i32) + Send + 'static) -> io::Result<()> {
    Ok(())
}

pub(crate) fn die_of_signal(_: i32) -> ! {
    std::process::exit(CONTROL_C_EXIT.cast_signed())
}

pub(crate) fn die_of_closed_stdout() -> ! {
    std::process::exit(STDOUT_CLOSED_CODE.into())
}

/// Windows cannot put another program into this process.
pub(crate) fn become_command(_: &mut Command) -> io::Error {
    not_yet("COMMAND")
}

pub(crate) fn keep_from_children() {}

pub(crate) fn prepare_child(_: &mut Command) {}

pub(crate) fn raise_handle_limit() {}

pub(crate) fn end_politely(_: u32) {}

pub(crate) fn signal_child(_: u32, _: i32) {}

pub(crate) fn survive_quit() {}

pub(crate) fn wait_for_end(_: u32) {}

pub(crate) fn ends_within(_: u32, _: Duration) -> bool {
    true
}

pub(crate) fn exit_code(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// The user's own directories are private already.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// A process without a console has none.
pub(crate) fn stdout_was_closed() -> bool {
    false
}

pub(crate) fn try_say(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
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
