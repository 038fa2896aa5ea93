//! Letting go of this process's stdin and stdout, whatever they are and whoever else has them.

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::net::Shutdown;

use super::poll::poll;

/// Was stdout closed when this process began? Rust opens /dev/null in its place before main, so this is asked
/// before Rust does anything.
static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

#[used]
// SAFETY: functions in this section are called at the start, one after another (ELF gABI, "Initialization and
// Termination Functions"; Mach-O's mod_init_func); this one makes a system call and stores its answer.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array"))]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
static LOOK_AT_STDOUT: extern "C" fn() = look_at_stdout;

extern "C" fn look_at_stdout() {
    let is_closed = rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_err();
    STDOUT_WAS_CLOSED.store(is_closed, Relaxed);
}

/// Was stdout closed when this process began?
pub(crate) fn stdout_was_closed() -> bool {
    STDOUT_WAS_CLOSED.load(Relaxed)
}

/// Tells whoever reads our stdout that no more comes, though we stay.
pub(super) fn finish_stdout() -> io::Result<()> {
    let stdout = rustix::stdio::stdout();
    if is_same_socket(rustix::stdio::stdin(), stdout) {
        // inetd, socat's nofork, Node's children: stdin holds it open, a close would say nothing.
        return Ok(rustix::net::shutdown(stdout, Shutdown::Write)?);
    }
    Ok(rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?)?)
}

/// Lets go of stdin: whoever writes to it learns that nobody reads any more.
pub(super) fn close_stdin() -> io::Result<()> {
    let stdin = rustix::stdio::stdin();
    if is_same_socket(stdin, rustix::stdio::stdout()) {
        return Ok(rustix::net::shutdown(stdin, Shutdown::Read)?);
    }
    Ok(rustix::stdio::dup2_stdin(File::open("/dev/null")?)?)
}

/// The terminal `fd` once more, non-blocking and with nobody who shares that.
pub(super) fn open_terminal(fd: BorrowedFd<'_>) -> Option<OwnedFd> {
    let name = rustix::termios::ttyname(fd, Vec::new()).ok()?;
    rustix::fs::open(name, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// Writes to stderr if that does not mean to wait: for a process that is about to die.
pub(crate) fn try_say(text: &str) {
    if stderr_has_room(Duration::ZERO) {
        let _ = rustix::io::write(rustix::stdio::stderr(), text.as_bytes());
    }
}

/// Has the terminal on stderr another process group in front? Then a bar would be drawn over what is typed to that.
pub(crate) fn is_in_background() -> bool {
    is_for_others(rustix::stdio::stderr())
}

/// Is `terminal` one that another process group has in front?
pub(super) fn is_for_others(terminal: BorrowedFd<'_>) -> bool {
    rustix::termios::tcgetpgrp(terminal).is_ok_and(|group| group != rustix::process::getpgrp())
}

/// Can a line be written to stderr without a wait, within `patience`? (A pipe that has room has it for a page.) One
/// that is gone or closed does not make anybody wait.
pub(crate) fn stderr_has_room(patience: Duration) -> bool {
    poll([(rustix::stdio::stderr(), PollFlags::OUT)], Some(patience)).is_ok_and(|[room]| !room.is_empty())
}

fn is_same_socket(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    match (rustix::fs::fstat(one), rustix::fs::fstat(other)) {
        (Ok(one), Ok(other)) => {
            FileType::from_raw_mode(one.st_mode) == FileType::Socket
                && (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
        }
        _ => false,
    }
}
