//! Where a pipe address leads on Windows: `\\.\pipe\NAME`, another computer's, or handles.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The longest name of a pipe, all of it, in UTF-16 units (Microsoft, CreateNamedPipe).
const LONGEST: usize = 256;

/// Where a pipe is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A named pipe, by its whole name.
    Pipe(String),
    /// Handles that our parent left open for us, by their numbers.
    Handles(u64, Option<u64>),
}

impl Place {
    /// The pipe `name` of this computer.
    pub(crate) fn named(name: &OsStr) -> io::Result<Self> {
        Place::on_host(".", &name.to_string_lossy())
    }

    /// A pipe is no file here.
    pub(crate) fn at_path(path: &Path) -> io::Result<Self> {
        let name = path.file_name().unwrap_or_default().display();
        Err(refuse(format!(r"on Windows a pipe is no file: write {name} or \\.\pipe\{name}")))
    }

    /// There are no FIFOs here.
    pub(crate) fn fifo(_: &Path) -> io::Result<Self> {
        Err(refuse("there are no FIFOs on Windows: a NAME is a named pipe".to_owned()))
    }

    /// Handles that our parent left open for us.
    pub(crate) fn of_handles(number: u64, other: Option<u64>) -> io::Result<Self> {
        Ok(Place::Handles(number, other))
    }

    /// Abstract sockets are Linux's.
    pub(crate) fn in_abstract_namespace(name: &OsStr) -> io::Result<Self> {
        Err(refuse(format!(r"abstract sockets (@NAME) exist on Linux only: write {0} or \\.\pipe\{0}", name.display())))
    }

    /// The pipe `name` of the computer `host`, which is `.` for this one. .NET's names go through a function
    /// that makes backslashes of slashes, so they do here.
    pub(crate) fn on_host(host: &str, name: &str) -> io::Result<Self> {
        let whole = format!(r"\\{host}\pipe\{}", name.replace('/', r"\"));
        let length = whole.encode_utf16().count();
        if length > LONGEST {
            return Err(refuse(format!(
                "'{whole}' is {length} characters long, {} more than a pipe's name may have ({LONGEST}); use a shorter name",
                length - LONGEST
            )));
        }
        Ok(Place::Pipe(whole))
    }

    /// There are none.
    #[expect(clippy::unused_self, reason = "Unix has some")]
    pub(crate) fn is_fifo(&self) -> bool {
        false
    }

    /// Names are, and are taken for it; files there are none.
    #[expect(clippy::unused_self, reason = "Unix has some")]
    pub(crate) fn is_anybodys(&self) -> bool {
        false
    }

    /// The name by which it is opened.
    pub(super) fn name(&self) -> io::Result<&str> {
        match self {
            Place::Pipe(name) => Ok(name),
            Place::Handles(..) => Err(io::Error::other("a handle is an open pipe already")),
        }
    }

    /// The name by which it is served, on this computer.
    pub(super) fn of_our_own(&self) -> io::Result<&str> {
        let name = self.name()?;
        if name.starts_with(r"\\.\") {
            return Ok(name);
        }
        Err(refuse(r"another computer's pipe is its own to serve: here it is NAME or \\.\pipe\NAME".to_owned()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Pipe(name) => f.write_str(name),
            Place::Handles(number, None) => write!(f, "fd:{number}"),
            Place::Handles(number, Some(other)) => write!(f, "fd:{number},{other}"),
        }
    }
}

fn refuse(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

/// There is one place only where a name can be.
pub(crate) fn find_elsewhere(_: &OsStr, _: &Place) -> Option<PathBuf> {
    None
}

/// No file is a pipe here.
pub(crate) fn is_pipe(_: &Path) -> bool {
    false
}
