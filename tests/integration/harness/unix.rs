//! What only Unix's tests can ask for: signals, file descriptors, /proc.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Ended, Scratch, Side, WATCHDOG, until};

/// A test's pipe address is what it is.
pub fn address(typed: &OsStr) -> OsString {
    typed.to_owned()
}

/// What a client has to say to a server that has messages: nothing, it sees it.
pub const MESSAGES: &[&str] = &[];

/// A connection of the test's own.
pub type Plain = UnixStream;

/// A client of the pipe ./NAME, which waits for nothing longer than a test may take.
pub fn plain_client(scratch: &Scratch, name: &str) -> Plain {
    let pipe = UnixStream::connect(scratch.path(name)).unwrap();
    pipe.set_read_timeout(Some(WATCHDOG)).unwrap();
    pipe
}

/// Starts it.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    command.spawn()
}

/// Waits for the end of a child, which a watchdog brings about in the end: did it have to?
pub fn wait(child: &mut Child) -> (ExitStatus, bool) {
    let (done, is_done) = channel::<()>();
    let pid = Pid::from_raw(child.id().cast_signed());
    let watchdog = thread::spawn(move || match is_done.recv_timeout(WATCHDOG) {
        Err(RecvTimeoutError::Timeout) => kill(pid, Signal::SIGKILL).is_ok(),
        _ => false,
    });
    let status = child.wait().unwrap();
    drop(done);
    (status, watchdog.join().unwrap())
}

/// The signal that ended a program.
pub fn signal_of(status: ExitStatus) -> Option<i32> {
    status.signal()
}

impl Side {
    /// Ends it as a person or a supervisor does, and sees that it ended by that.
    pub fn end_by_the_system(self) {
        self.signal(Signal::SIGTERM);
        self.end().killed_by(Signal::SIGTERM);
    }

    /// A second handle of its open stdin.
    pub fn stdin_handle(&self) -> OwnedFd {
        self.stdin.as_ref().expect("an open stdin").as_fd().try_clone_to_owned().unwrap()
    }

    /// Waits until it has taken all of its open stdin and handed it on: then it sleeps again.
    pub fn has_passed_on_its_stdin(&self) {
        let stdin = self.stdin.as_ref().expect("an open stdin");
        until("its stdin to be passed on", || {
            rustix::io::ioctl_fionread(stdin).unwrap() == 0 && is_asleep(self.child.id())
        });
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Ended {
    #[track_caller]
    pub fn killed_by(self, signal: Signal) -> Self {
        assert_eq!(self.signal, Some(signal as i32), "{} ended with {:?}; stderr: {}", self.name, self.code, self.err);
        self
    }
}

/// Are all threads of a process in state S?
pub fn is_asleep(pid: u32) -> bool {
    fs::read_dir(format!("/proc/{pid}/task")).unwrap().all(|task| {
        // A thread that ends meanwhile was awake: look again.
        let stat = task.and_then(|task| fs::read_to_string(task.path().join("stat")));
        stat.is_ok_and(|stat| stat.rsplit(") ").next().unwrap().starts_with('S'))
    })
}
