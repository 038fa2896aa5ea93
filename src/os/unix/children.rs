//! Programs that we start, or become: what they get of ours, and nothing else.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use rustix::io::FdFlags;
use rustix::process::{Resource, Rlimit};

use super::activation;
#[cfg(target_os = "linux")]
use super::poll::poll;

/// The limit of open files that we had before we raised it.
static OLD_LIMIT: OnceLock<Rlimit> = OnceLock::new();

/// Goes on as `command`, in this very process. Returns only if that cannot be.
pub(crate) fn become_command(command: &mut Command) -> io::Error {
    command.exec()
}

/// Has all handles from 3 on closed in children, those too that our own parent left open in us.
/// And the end of children is ours to learn, even if whoever started us had it ignored.
pub(crate) fn keep_from_children() {
    let wanted = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default action runs no code of ours.
    let _ = unsafe { sigaction(Signal::SIGCHLD, &wanted) };
    if !close_all_on_exec() {
        open_handles().filter(|&fd| fd > 2).for_each(close_on_exec);
    }
}

/// One call for all (`close_range(2)`, Linux 5.11).
#[cfg(target_os = "linux")]
fn close_all_on_exec() -> bool {
    let (first, last) = (3, libc::c_uint::MAX);
    // SAFETY: a flag is set on open descriptors, nothing is closed.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_CLOEXEC) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn close_all_on_exec() -> bool {
    false
}

fn open_handles() -> impl Iterator<Item = RawFd> {
    let listed: Vec<RawFd> = std::fs::read_dir("/dev/fd")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    listed.into_iter()
}

fn close_on_exec(fd: RawFd) {
    // SAFETY: borrowed for one fcntl, which gives EBADF for what is closed meanwhile.
    let handle = unsafe { BorrowedFd::borrow_raw(fd) };
    let _ = rustix::io::fcntl_setfd(handle, FdFlags::CLOEXEC);
}

/// As many open files as we may have: one a client, and some of our own.
pub(crate) fn raise_handle_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum && rustix::process::setrlimit(Resource::Nofile, raised).is_ok() {
        let _ = OLD_LIMIT.set(limit);
    }
}

/// Gives the child the limit of open files that we had: programs that use select(2) break with more.
pub(crate) fn prepare_child(command: &mut Command) {
    activation::forget(command);
    if let Some(&limit) = OLD_LIMIT.get() {
        // SAFETY: between fork and exec one system call is made, nothing is allocated or locked.
        unsafe {
            command.pre_exec(move || Ok(rustix::process::setrlimit(Resource::Nofile, limit)?));
        }
    }
}

/// Asks a child to end.
pub(crate) fn end_politely(child: u32) {
    // Nobody has waited for it yet, so that the number is still its own.
    let _ = kill(Pid::from_raw(child.cast_signed()), Signal::SIGTERM);
}

/// Passes a signal on to a child.
pub(crate) fn signal_child(child: u32, signal: i32) {
    if let Ok(signal) = Signal::try_from(signal) {
        let _ = kill(Pid::from_raw(child.cast_signed()), signal);
    }
}

/// Leaves Ctrl-\\ to a child on the same terminal, whose end is ours.
pub(crate) fn survive_quit() {
    let _ = signal_hook::flag::register(signal_hook::consts::SIGQUIT, Arc::new(AtomicBool::new(false)));
}

/// Waits until a child has ended, and leaves it to be waited for: until then nobody else gets its number.
pub(crate) fn wait_for_end(child: u32) {
    let child = Pid::from_raw(child.cast_signed());
    while waitid(Id::Pid(child), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
}

/// Does a child end within `limit`? It is left to be waited for.
#[cfg(target_os = "linux")]
pub(crate) fn ends_within(child: u32, limit: Duration) -> bool {
    use rustix::event::PollFlags;
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    let Some(pid) = Pid::from_raw(child.cast_signed()) else { return true };
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return looks_until_ended(child, limit) };
    let give_up = Instant::now().checked_add(limit);
    loop {
        let left = give_up.map(|give_up| give_up.saturating_duration_since(Instant::now()));
        match poll([(handle.as_fd(), PollFlags::IN)], left) {
            Ok([ended]) if !ended.is_empty() => return true,
            Ok(_) if left.is_some_and(|left| left.is_zero()) => return false,
            Ok(_) => {}
            Err(_) => return looks_until_ended(child, limit),
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn ends_within(child: u32, limit: Duration) -> bool {
    looks_until_ended(child, limit)
}

/// Where nothing tells of a child's end.
fn looks_until_ended(child: u32, limit: Duration) -> bool {
    let (started, child) = (Instant::now(), Pid::from_raw(child.cast_signed()));
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    while matches!(waitid(Id::Pid(child), flags), Ok(WaitStatus::StillAlive) | Err(Errno::EINTR)) {
        if started.elapsed() >= limit {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}

/// The exit code that a shell would give for a child: its own, or 128 + N when signal N ended it.
pub(crate) fn exit_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}
