//! Ctrl-C and Ctrl-Break, which are all there is and come by another door (interrupt.rs), and how a process
//! ends by one.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What Ctrl-C and Ctrl-Break are called here.
pub(crate) const INTERRUPT: i32 = 2;
/// There is no such signal; a number that none has.
pub(crate) const SIGTERM: i32 = 15;
/// Windows has no SIGPIPE: a broken stdout is a failure.
pub(crate) const STDOUT_CLOSED_CODE: u8 = 1;
/// The exit code of a process that Ctrl-C ended (STATUS_CONTROL_C_EXIT).
const CONTROL_C_EXIT: u32 = 0xC000_013A;

/// There are none.
pub(crate) fn on_termination(_: &Arc<AtomicBool>, _: impl Fn(i32) + Send + 'static) -> io::Result<()> {
    Ok(())
}

/// Ends as a process does that Ctrl-C has ended.
pub(crate) fn die_of_signal(_: i32) -> ! {
    std::process::exit(CONTROL_C_EXIT.cast_signed())
}

/// Ends with a failure.
pub(crate) fn die_of_closed_stdout() -> ! {
    std::process::exit(STDOUT_CLOSED_CODE.into())
}
