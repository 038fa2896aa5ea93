//! Programs that we start: like std's `Command`, but that a child inherits the handles on a list and no
//! others, whatever else in this process can be inherited (STARTUPINFOEX, which std does not offer).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsHandle, AsRawHandle, OwnedHandle, RawHandle};
use std::os::windows::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr::null_mut;
use std::time::Duration;

use windows_sys::Win32::System::Threading::{
    GetExitCodeProcess, STARTF_USESTDHANDLES, STARTUPINFOEXW, STARTUPINFOW, TerminateProcess,
};

use super::handles::{self, HandleId};
use super::quoting::command_line;
use super::spawn::{HandleList, create};
use super::{executable, wake};

/// A program that has not been started.
#[derive(Debug)]
pub(crate) struct Command {
    program: OsString,
    arguments: Vec<OsString>,
    /// What differs from our own environment.
    environment: Vec<(OsString, Option<OsString>)>,
    stdin: Stdio,
    stdout: Stdio,
    handles: Vec<HandleId>,
}

/// What a child's stdin or stdout is.
#[derive(Debug)]
pub(crate) enum Stdio {
    /// Ours.
    Inherit,
    /// Nothing.
    Null,
    /// A pipe, whose other end is ours.
    Piped,
    /// This one.
    Handle(OwnedHandle),
}

impl Stdio {
    pub(crate) fn inherit() -> Self {
        Stdio::Inherit
    }

    pub(crate) fn null() -> Self {
        Stdio::Null
    }

    pub(crate) fn piped() -> Self {
        Stdio::Piped
    }
}

impl From<io::Stderr> for Stdio {
    fn from(stderr: io::Stderr) -> Self {
        stderr.as_handle().try_clone_to_owned().map_or(Stdio::Null, Stdio::Handle)
    }
}

/// Our end of a child's stdin.
#[derive(Debug)]
pub(crate) struct ChildStdin(OwnedHandle);

/// Our end of a child's stdout.
#[derive(Debug)]
pub(crate) struct ChildStdout(OwnedHandle);

impl From<ChildStdin> for OwnedHandle {
    fn from(end: ChildStdin) -> Self {
        end.0
    }
}

impl From<ChildStdout> for OwnedHandle {
    fn from(end: ChildStdout) -> Self {
        end.0
    }
}

/// A program that was started.
#[derive(Debug)]
pub(crate) struct Child {
    process: OwnedHandle,
    id: u32,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Option<ChildStdout>,
}

impl Command {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Command {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            stdin: Stdio::Inherit,
            stdout: Stdio::Inherit,
            handles: Vec::new(),
        }
    }

    pub(crate) fn args(&mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    pub(crate) fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.environment.push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    pub(crate) fn envs(&mut self, values: impl IntoIterator<Item = (String, String)>) -> &mut Self {
        values.into_iter().fold(self, |command, (name, value)| command.env(name, value))
    }

    pub(crate) fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.environment.push((name.as_ref().to_owned(), None));
        self
    }

    pub(crate) fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.stdin = stdin.into();
        self
    }

    pub(crate) fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.stdout = stdout.into();
        self
    }

    /// What the child inherits besides its stdin, stdout and stderr.
    pub(super) fn hand_over(&mut self, handles: Vec<HandleId>) {
        self.handles = handles;
    }

    /// Starts the program.
    ///
    /// # Errors
    /// `NotFound` where there is none of that name.
    pub(crate) fn spawn(&mut self) -> io::Result<Child> {
        let program = executable::find(&self.program)?;
        let mut line = command_line(program.as_os_str(), &self.arguments)?;
        let (stdin, our_stdin) = self.stdin.for_child(io::stdin().as_raw_handle(), true)?;
        let (stdout, our_stdout) = self.stdout.for_child(io::stdout().as_raw_handle(), false)?;
        let (stderr, _) = Stdio::Inherit.for_child(io::stderr().as_raw_handle(), false)?;
        let mut inherited: Vec<RawHandle> =
            [&stdin, &stdout, &stderr].into_iter().flatten().map(AsRawHandle::as_raw_handle).collect();
        inherited.extend(self.handles.iter().filter_map(HandleId::raw));
        let attributes = HandleList::new(&inherited)?;
        let raw = |handle: &Option<OwnedHandle>| handle.as_ref().map_or(null_mut(), AsRawHandle::as_raw_handle);
        let startup = STARTUPINFOEXW {
            StartupInfo: STARTUPINFOW {
                cb: u32::try_from(size_of::<STARTUPINFOEXW>()).unwrap_or(0),
                dwFlags: STARTF_USESTDHANDLES,
                hStdInput: raw(&stdin),
                hStdOutput: raw(&stdout),
                hStdError: raw(&stderr),
                ..STARTUPINFOW::default()
            },
            lpAttributeList: attributes.as_ptr(),
        };
        let (process, id) = create(&program, &mut line, &self.environment(), &startup)?;
        Ok(Child { process, id, stdin: our_stdin.map(ChildStdin), stdout: our_stdout.map(ChildStdout) })
    }

    /// All of the child's environment, as Windows takes it: sorted, names without regard to case.
    fn environment(&self) -> Vec<u16> {
        let key = |name: &OsStr| name.to_string_lossy().to_uppercase();
        let mut all: BTreeMap<String, (OsString, OsString)> =
            std::env::vars_os().map(|(name, value)| (key(&name), (name, value))).collect();
        for (name, value) in &self.environment {
            match value {
                Some(value) => drop(all.insert(key(name), (name.clone(), value.clone()))),
                None => drop(all.remove(&key(name))),
            }
        }
        let mut block: Vec<u16> = Vec::new();
        for (name, value) in all.values() {
            block.extend(name.encode_wide().chain([u16::from(b'=')]).chain(value.encode_wide()).chain([0]));
        }
        block.push(0);
        block
    }
}

impl Stdio {
    /// The child's end, which it can inherit, and ours, where there is one.
    fn for_child(&self, ours: RawHandle, reads: bool) -> io::Result<(Option<OwnedHandle>, Option<OwnedHandle>)> {
        Ok(match self {
            Stdio::Inherit if ours.is_null() => (None, None),
            Stdio::Inherit => (Some(handles::duplicate(ours)?), None),
            Stdio::Null => (Some(File::options().read(reads).write(!reads).open("NUL")?.into()), None),
            Stdio::Piped => {
                let (ours, childs) = handles::pair(reads, None)?;
                (Some(childs), Some(ours))
            }
            Stdio::Handle(handle) => (Some(handles::duplicate(handle.as_raw_handle())?), None),
        })
    }
}

impl Child {
    /// The process ID, its own until this is dropped.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        wake::wait(&[self.process.as_raw_handle()], None)?;
        self.status()
    }

    /// Has it ended?
    pub(crate) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        match wake::wait(&[self.process.as_raw_handle()], Some(Duration::ZERO))? {
            Some(_) => self.status().map(Some),
            None => Ok(None),
        }
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        let failed = 1;
        // SAFETY: the handle is open, and was given the right to do so.
        if unsafe { TerminateProcess(self.process.as_raw_handle(), failed) } == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    fn status(&self) -> io::Result<ExitStatus> {
        let mut code = 0;
        // SAFETY: one u32 is written.
        if unsafe { GetExitCodeProcess(self.process.as_raw_handle(), &raw mut code) } == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(ExitStatus::from_raw(code))
    }
}
