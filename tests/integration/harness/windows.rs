//! The twin for Windows. Pipes are no files there and have one namespace for all, so that tests run one after
//! another, and the tests' `./x` is the pipe `x`.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use super::{Scratch, Side, WATCHDOG};

/// What a test calls `./x` is `x` here.
pub fn address(typed: &OsStr) -> OsString {
    typed.to_str().and_then(|typed| typed.strip_prefix("./")).map_or_else(|| typed.to_owned(), OsString::from)
}

/// What a client has to say to a server that has messages: without it they are a stream of bytes to it.
pub const MESSAGES: &[&str] = &["-m", "message"];

/// A connection of the test's own.
pub type Plain = File;

/// A client of the pipe NAME, in the ways that its server has.
pub fn plain_client(_: &Scratch, name: &str) -> Plain {
    let (path, start) = (format!(r"\\.\pipe\{name}"), Instant::now());
    let open = |(reads, writes)| File::options().read(reads).write(writes).open(&path);
    let mut ways = [(true, true), (true, false), (false, true)].into_iter().cycle();
    let mut way = ways.next().unwrap();
    while start.elapsed() < WATCHDOG {
        match open(way) {
            Ok(opened) => return opened,
            // The server goes another way.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => way = ways.next().unwrap(),
            // All instances have a client, and the next one is not there yet: then in the same way.
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
    panic!("no instance of {path} is free");
}

/// Starts it. A new process that Wine's own loader ended before the program's first instruction (its CreateProcess
/// calls that ERROR_INTERNAL_ERROR; seen once in some thousand starts on a busy machine) is started again.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    const ERROR_INTERNAL_ERROR: i32 = 1359;
    (0..3)
        .map(|_| command.spawn())
        .find(|result| result.as_ref().err().and_then(io::Error::raw_os_error) != Some(ERROR_INTERNAL_ERROR))
        .unwrap_or_else(|| command.spawn())
}

/// Waits for the end of a child, which is brought about in the end: did it have to be?
pub fn wait(child: &mut Child) -> (ExitStatus, bool) {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return (status, false);
        }
        if start.elapsed() > WATCHDOG {
            let _ = child.kill();
            return (child.wait().unwrap(), true);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// There are no signals.
pub fn signal_of(_: ExitStatus) -> Option<i32> {
    None
}

impl Side {
    /// Ends it as the Task Manager does: there is no gentler way from outside. (Ctrl-C is .ci/windows' business:
    /// without a terminal Wine has no console that could send one.)
    pub fn end_by_the_system(mut self) {
        self.child.kill().unwrap();
        self.end().code(1);
    }
}
