//! Two programs and the facts they wait for: a line on stderr, bytes on stdout, an exit. Nothing here
//! sleeps for a result; a watchdog ends what hangs, and a failure names the side.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

#[cfg(unix)]
#[path = "harness/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "harness/windows.rs"]
mod system;

pub use system::*;

/// No test takes as long, even on a busy machine.
pub const WATCHDOG: Duration = Duration::from_secs(90);

pub const PIPETOOL: &str = env!("CARGO_BIN_EXE_pipetool");

/// A directory of the test's own, which is also its TMPDIR: bare names cannot clash.
pub struct Scratch {
    directory: TempDir,
}

impl Scratch {
    pub fn new() -> Self {
        Scratch { directory: tempfile::Builder::new().prefix("pt").tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    #[cfg(unix)]
    /// Where the socket of the pipe NAME is.
    pub fn socket(&self, name: &str) -> PathBuf {
        self.path(&format!("CoreFxPipe_{name}"))
    }

    /// What is left in the directory.
    pub fn files(&self) -> Vec<String> {
        let entries = self.directory.path().read_dir().unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// `pipetool ARGS`, with an empty stdin unless told.
    pub fn pipetool<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Starter {
        self.program(PIPETOOL, arguments)
    }

    /// Any program, in this directory.
    pub fn program<A: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = A>) -> Starter {
        let mut command = Command::new(program);
        command
            .args(arguments.into_iter().map(|argument| address(argument.as_ref())))
            .current_dir(self.directory.path())
            .env("TMPDIR", self.directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let name = format!("{} {:?}", Path::new(program).file_name().unwrap().display(), command.get_args());
        Starter { name, command }
    }

    #[cfg(unix)]
    /// `sh -c SCRIPT`, where `$PIPETOOL` is the program.
    pub fn shell(&self, script: &str) -> Starter {
        self.program("bash", ["-c", script]).env("PIPETOOL", PIPETOOL)
    }

    /// `pipetool serve -v ARGS` once it listens.
    pub fn server<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Side {
        self.serving(arguments, |starter| starter)
    }

    pub fn serving<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        prepare: impl FnOnce(Starter) -> Starter,
    ) -> Side {
        let arguments: Vec<_> = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        let server =
            prepare(self.pipetool(
                [OsStr::new("serve"), OsStr::new("-v")].into_iter().chain(arguments.iter().map(AsRef::as_ref)),
            ))
            .start();
        server.says("listening on");
        server
    }
}

/// A program that has not been started.
pub struct Starter {
    name: String,
    command: Command,
}

impl Starter {
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.command.stdin(stdin);
        self
    }

    /// stdin stays open until the test closes it.
    pub fn open_stdin(self) -> Self {
        self.stdin(Stdio::piped())
    }

    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.command.stdout(stdout);
        self
    }

    #[cfg(unix)]
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    #[cfg(unix)]
    pub fn without_env(mut self, key: &str) -> Self {
        self.command.env_remove(key);
        self
    }

    pub fn start(mut self) -> Side {
        let mut child = self.spawn();
        Side {
            stdin: child.stdin.take(),
            out: child.stdout.take().map(Collected::from).unwrap_or_default(),
            err: child.stderr.take().map(Collected::from).unwrap_or_default(),
            name: self.name,
            child,
        }
    }

    /// Starts it without anybody who reads what it writes: the test does.
    pub fn start_raw(mut self) -> Child {
        self.command.stderr(Stdio::inherit());
        self.spawn()
    }

    fn spawn(&mut self) -> Child {
        spawn(&mut self.command).unwrap_or_else(|error| panic!("{} did not start: {error}", self.name))
    }

    /// Starts it, gives it `input`, and waits for its end.
    pub fn run(self, input: impl AsRef<[u8]>) -> Ended {
        let mut side = self.open_stdin().start();
        // It may leave without reading all.
        let _ = side.stdin.take().unwrap().write_all(input.as_ref());
        side.end()
    }
}

/// A program that runs; killed when the test is over.
pub struct Side {
    pub name: String,
    pub child: Child,
    pub stdin: Option<ChildStdin>,
    out: Collected,
    err: Collected,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub out: Vec<u8>,
    pub err: String,
    pub name: String,
}

impl Side {
    /// Waits until its stderr contains `text`.
    pub fn says(&self, text: &str) {
        self.err.wait_for(text.as_bytes(), &self.name);
    }

    /// Waits until its stdout contains `bytes`.
    pub fn prints(&self, bytes: impl AsRef<[u8]>) {
        self.out.wait_for(bytes.as_ref(), &self.name);
    }

    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let written = self.try_write(bytes);
        written.unwrap_or_else(|error| panic!("{}: its stdin: {error}", self.name));
    }

    pub fn has_printed(&self, bytes: impl AsRef<[u8]>) -> bool {
        self.out.contains(bytes.as_ref())
    }

    /// All that its stderr has been given so far.
    pub fn said(&self) -> String {
        self.err.so_far()
    }

    #[cfg(unix)]
    pub fn has_said(&self, text: &str) -> bool {
        self.err.contains(text.as_bytes())
    }

    /// Has it closed its stdout?
    pub fn stdout_has_ended(&self) -> bool {
        self.out.shared.0.lock().unwrap().ended
    }

    /// Writes, or fails as it does when nobody reads.
    pub fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stdin.as_mut().expect("an open stdin").write_all(bytes.as_ref())
    }

    pub fn close_stdin(&mut self) {
        drop(self.stdin.take().expect("an open stdin"));
    }

    #[cfg(unix)]
    /// Does it say that it serves?
    pub fn is_listening(&self) -> bool {
        self.err.contains(b"listening on")
    }

    /// Ends its stdin, and waits for its end.
    pub fn end_after_stdin(mut self) -> Ended {
        self.close_stdin();
        self.end()
    }

    /// Waits for its end; what it left open of its stdin stays open until then.
    pub fn end(mut self) -> Ended {
        let held = self.stdin.take();
        let (status, was_hanging) = wait(&mut self.child);
        drop(held);
        // A child of it may still hold its output open: what there is by now has to do.
        assert!(!was_hanging, "{} did not end; stderr: {}", self.name, self.err.so_far());
        let (out, err) = (self.out.all(), self.err.all());
        let err = String::from_utf8_lossy(&err).into_owned();
        Ended { code: status.code(), signal: signal_of(status), out, err, name: self.name.clone() }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{} ended by signal {:?}; stderr: {}", self.name, self.signal, self.err);
        self
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        self.code(0)
    }

    #[track_caller]
    pub fn out(self, expected: impl AsRef<[u8]>) -> Self {
        let (got, expected) = (String::from_utf8_lossy(&self.out), String::from_utf8_lossy(expected.as_ref()));
        assert!(got == expected, "{}: stdout is {got:?}, not {expected:?}; stderr: {}", self.name, self.err);
        self
    }

    /// One line on stderr, which contains all of `texts`; on a busy machine it may have said before that it waits.
    #[track_caller]
    pub fn one_line(self, texts: &[&str]) -> Self {
        let lines = self.err.lines().filter(|line| !line.starts_with("pipetool: waiting for "));
        assert_eq!(lines.count(), 1, "{}: stderr: {}", self.name, self.err);
        self.says(texts)
    }

    #[cfg(unix)]
    #[track_caller]
    pub fn says_nothing(self) -> Self {
        assert_eq!(self.err, "", "{}: stderr", self.name);
        self
    }

    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.err.contains(text), "{}: no {text:?} in stderr: {}", self.name, self.err);
        }
        self
    }
}

/// What a program has written so far, read by a thread so that it never blocks.
#[derive(Default)]
struct Collected {
    shared: Arc<(Mutex<SoFar>, Condvar)>,
    reader: Option<thread::JoinHandle<()>>,
}

#[derive(Default)]
struct SoFar {
    bytes: Vec<u8>,
    ended: bool,
}

impl SoFar {
    fn contains(&self, wanted: &[u8]) -> bool {
        wanted.is_empty() || self.bytes.windows(wanted.len()).any(|window| window == wanted)
    }
}

impl<R: Read + Send + 'static> From<R> for Collected {
    fn from(mut output: R) -> Self {
        let shared = Arc::<(Mutex<SoFar>, Condvar)>::default();
        let mine = Arc::clone(&shared);
        let reader = thread::spawn(move || {
            let mut piece = vec![0; 64 * 1024];
            loop {
                let count = output.read(&mut piece).unwrap_or(0);
                let mut so_far = mine.0.lock().unwrap();
                so_far.bytes.extend_from_slice(&piece[..count]);
                so_far.ended = count == 0;
                mine.1.notify_all();
                if so_far.ended {
                    return;
                }
            }
        });
        Collected { shared, reader: Some(reader) }
    }
}

impl Collected {
    fn wait_for(&self, wanted: &[u8], name: &str) {
        let (state, changed) = &*self.shared;
        let waits = |so_far: &mut SoFar| !so_far.contains(wanted) && !so_far.ended;
        let (so_far, timeout) = changed.wait_timeout_while(state.lock().unwrap(), WATCHDOG, waits).unwrap();
        let (text, got) = (String::from_utf8_lossy(wanted), String::from_utf8_lossy(&so_far.bytes));
        assert!(so_far.contains(wanted), "{name}: waited for {text:?} (timeout: {}), got {got:?}", timeout.timed_out());
    }

    fn contains(&self, wanted: &[u8]) -> bool {
        self.shared.0.lock().unwrap().contains(wanted)
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.shared.0.lock().unwrap().bytes).into_owned()
    }

    fn all(&mut self) -> Vec<u8> {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        std::mem::take(&mut self.shared.0.lock().unwrap().bytes)
    }
}

/// Waits for a fact that no program tells: a file, a state in /proc.
pub fn until(what: &str, mut fact: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !fact() {
        assert!(start.elapsed() < WATCHDOG, "waited for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits for a fact that may be a passing one for a moment: until it is so at fifty looks in a row.
#[cfg(unix)]
pub fn until_steady(what: &str, mut fact: impl FnMut() -> bool) {
    let mut in_a_row = 0;
    until(what, || {
        in_a_row = if fact() { in_a_row + 1 } else { 0 };
        in_a_row == 50
    });
}

/// Bytes that no compression and no repeated block could imitate, different for each seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(length).collect()
}
