//! Where a pipe address leads on Unix: to a socket's file, or into Linux's abstract namespace.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::net::SocketAddrUnix;

use super::procfs;
use crate::os::directory_of;

/// The longest path of a socket in bytes: `sun_path` less its NUL (unix(7)), which is .NET's limit too.
const LONGEST: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// What .NET puts in front of every name (DOTNET.md section 1).
pub(super) const NAME_PREFIX: &str = "CoreFxPipe_";

/// Where a pipe is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A socket with a file.
    File(PathBuf),
    /// A socket with a name that is no file (Linux).
    Abstract(OsString),
    /// A FIFO.
    Fifo(PathBuf),
    /// Handles that our parent left open for us, by their numbers.
    Handles(u64, Option<u64>),
}

impl Place {
    /// Where every .NET program on Unix looks for the pipe `name`.
    pub(crate) fn named(name: &OsStr) -> io::Result<Self> {
        if name.as_bytes().contains(&b'/') {
            return Err(refuse(format!(
                "a pipe's name cannot hold a '/' on this system: '{}' (a path is written without \\\\.\\pipe\\)",
                name.display()
            )));
        }
        let mut file = OsString::from(NAME_PREFIX);
        file.push(name);
        fitting(temporary_directory().join(file), "a shorter name, a shorter TMPDIR, or a short path such as './x'")
            .map(Place::File)
    }

    /// The file at `path`, relative to the current directory or absolute.
    pub(crate) fn at_path(path: &Path) -> io::Result<Self> {
        fitting(path.to_owned(), "a shorter path, or 'cd' to its directory and use './NAME'").map(Place::File)
    }

    /// The FIFO at `path`, which may be as long as any path.
    #[expect(clippy::unnecessary_wraps, reason = "Windows has none")]
    pub(crate) fn fifo(path: &Path) -> io::Result<Self> {
        Ok(Place::Fifo(path.to_owned()))
    }

    /// Handles that our parent left open for us.
    #[expect(clippy::unnecessary_wraps, reason = "Windows has none yet")]
    pub(crate) fn of_handles(number: u64, other: Option<u64>) -> io::Result<Self> {
        Ok(Place::Handles(number, other))
    }

    /// A Linux abstract socket.
    pub(crate) fn in_abstract_namespace(name: &OsStr) -> io::Result<Self> {
        if !cfg!(target_os = "linux") {
            return Err(unsupported("abstract sockets (@NAME) exist on Linux only; use a NAME or a PATH"));
        }
        fitting(PathBuf::from(name), "a shorter name").map(|name| Place::Abstract(name.into_os_string()))
    }

    /// Another computer's pipe: Windows alone has those.
    pub(crate) fn on_host(_host: &str, name: &str) -> io::Result<Self> {
        Err(unsupported(&format!(
            r"\\HOST\pipe\NAME is another computer's pipe, which only Windows can reach; here it is '{name}' or \\.\pipe\{name}"
        )))
    }

    /// The file, where there is one: what permissions can be given to, and what has to be removed.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Place::File(path) | Place::Fifo(path) => Some(path),
            Place::Abstract(_) | Place::Handles(..) => None,
        }
    }

    /// Is it for a FIFO, or is there one?
    pub(crate) fn is_fifo(&self) -> bool {
        matches!(self, Place::Fifo(_)) || self.file().is_some_and(super::fifo::is_at)
    }

    /// Is it a file in a directory in which everybody can make one, such as /tmp?
    pub(crate) fn is_anybodys(&self) -> bool {
        let others_write = |found: &fs::Metadata| found.permissions().mode() & 0o002 != 0;
        self.file().is_some_and(|path| fs::metadata(directory_of(path)).is_ok_and(|found| others_write(&found)))
    }

    /// The address as the kernel takes it.
    pub(super) fn socket_address(&self) -> io::Result<SocketAddrUnix> {
        Ok(match self {
            Place::File(path) | Place::Fifo(path) => SocketAddrUnix::new(path)?,
            #[cfg(target_os = "linux")]
            Place::Abstract(name) => SocketAddrUnix::new_abstract_name(name.as_bytes())?,
            Place::Handles(..) => return Err(unsupported("a handle has no address")),
            #[cfg(not(target_os = "linux"))]
            Place::Abstract(_) => return Err(unsupported("abstract sockets exist on Linux only")),
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) | Place::Fifo(path) => write!(f, "{}", path.display()),
            Place::Abstract(name) => write!(f, "@{}", name.display()),
            Place::Handles(number, None) => write!(f, "fd:{number}"),
            Place::Handles(number, Some(other)) => write!(f, "fd:{number},{other}"),
        }
    }
}

/// `$TMPDIR`, or `/tmp` where it is unset or empty, as .NET's `GetTempPath` has it.
pub(super) fn temporary_directory() -> PathBuf {
    std::env::var_os("TMPDIR").filter(|dir| !dir.is_empty()).unwrap_or_else(|| "/tmp/".into()).into()
}

fn fitting(path: PathBuf, cures: &str) -> io::Result<PathBuf> {
    let length = path.as_os_str().len();
    if length > LONGEST {
        return Err(refuse(format!(
            "'{}' is {length} bytes long, {} more than a socket's name may have ({LONGEST}); use {cures}",
            path.display(),
            length - LONGEST
        )));
    }
    Ok(path)
}

/// A server that the user may have meant while `place` has none: the file of that name in the current
/// directory, or the same name under another TMPDIR.
pub(crate) fn find_elsewhere(name: &OsStr, place: &Place) -> Option<PathBuf> {
    let here = Path::new(".").join(name);
    if is_trusted_socket(&here) {
        return Some(here);
    }
    let mut file = OsString::from(NAME_PREFIX);
    file.push(name);
    procfs::listening_sockets()
        .into_iter()
        .map(|socket| PathBuf::from(OsStr::from_bytes(&socket.path)))
        .filter(|path| path.is_absolute() && path.file_name() == Some(&file) && Some(path.as_path()) != place.file())
        .find(|path| is_trusted_socket(path))
}

/// A socket of this user's or of root's: nobody should be sent to somebody else's.
fn is_trusted_socket(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| {
        found.file_type().is_socket() && (found.uid() == 0 || found.uid() == super::people::current_user())
    })
}

fn refuse(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

fn unsupported(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_too_long_says_by_how_much_and_what_helps() {
        assert!(Place::at_path(Path::new(&"x".repeat(LONGEST))).is_ok());
        let error = Place::at_path(Path::new(&"x".repeat(LONGEST + 3))).unwrap_err().to_string();
        assert!(error.contains("3 more than") && error.contains("(107)") && error.contains("'cd'"), "{error}");
    }

    #[test]
    fn a_name_is_a_file_where_dotnet_looks() {
        let place = Place::named(OsStr::new("a b:c")).unwrap();
        assert_eq!(place.file().unwrap().file_name().unwrap(), "CoreFxPipe_a b:c");
        assert!(Place::named(OsStr::new("a/b")).is_err());
    }
}
