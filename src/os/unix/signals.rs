//! Signals: noticing those that ask us to end, and ending by one as if we had never caught it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGPIPE};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

pub(crate) use signal_hook::consts::SIGTERM;

/// Ctrl-C.
pub(crate) const INTERRUPT: i32 = signal_hook::consts::SIGINT;
/// The code that a shell gives a process which SIGPIPE ended.
pub(crate) const STDOUT_CLOSED_CODE: u8 = 141;

/// Calls `arrived` for each SIGTERM and SIGHUP, on a thread of its own. A signal that was ignored when
/// we started stays ignored: nohup and `trap ''` mean it. Once `dying` is true, any signal ends us.
pub(crate) fn on_termination(dying: &Arc<AtomicBool>, arrived: impl Fn(i32) + Send + 'static) -> io::Result<()> {
    let wanted: Vec<i32> = [SIGTERM, SIGHUP].into_iter().filter(|&signal| !is_ignored(signal)).collect();
    for &signal in wanted.iter().chain(&[INTERRUPT]).filter(|&&signal| !is_ignored(signal)) {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(dying))?;
    }
    let mut signals = Signals::new(wanted)?;
    thread::Builder::new().name("signals".into()).spawn(move || signals.forever().for_each(arrived))?;
    Ok(())
}

fn is_ignored(signal: i32) -> bool {
    // SAFETY: an all-zero sigaction is a valid one; it is only written to.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: no new action is given, and the old one goes into a live variable (sigaction(2)).
    let answered = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) } == 0;
    answered && action.sa_sigaction == libc::SIG_IGN
}

/// Ends this process by `signal`, so that whoever waits for us sees what happened.
pub(crate) fn die_of_signal(signal: i32) -> ! {
    let _ = emulate_default_handler(signal);
    // Not reached for signals that end a process; a shell's code for it otherwise.
    std::process::exit(128 + signal)
}

/// Ends as every filter does whose stdout has no reader. Rust has SIGPIPE ignored from the start.
pub(crate) fn die_of_closed_stdout() -> ! {
    die_of_signal(SIGPIPE)
}
