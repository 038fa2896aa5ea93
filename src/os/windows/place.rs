//! Where a pipe address leads on Windows (`\\.\pipe\NAME`), and the pipes that are not there yet.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::not_yet;
use super::pumps::{Sink, Source};
use crate::os::{Attempt, Peer};

/// Where a pipe is: its whole name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place(String);

impl Place {
    pub(crate) fn named(name: &OsStr) -> io::Result<Self> {
        Place::on_host(".", &name.to_string_lossy())
    }

    pub(crate) fn at_path(path: &Path) -> io::Result<Self> {
        let name = path.file_name().unwrap_or_default().display();
        Err(refuse(format!(r"on Windows a pipe is no file: write {name} or \\.\pipe\{name}")))
    }

    pub(crate) fn in_abstract_namespace(name: &OsStr) -> io::Result<Self> {
        Err(refuse(format!(r"abstract sockets (@NAME) exist on Linux only: write {0} or \\.\pipe\{0}", name.display())))
    }

    pub(crate) fn on_host(host: &str, name: &str) -> io::Result<Self> {
        /// The longest name of a pipe, all of it, in UTF-16 units (Microsoft, CreateNamedPipe).
        const LONGEST: usize = 256;
        let whole = format!(r"\\{host}\pipe\{}", name.replace('/', r"\"));
        let length = whole.encode_utf16().count();
        if length > LONGEST {
            return Err(refuse(format!(
                "'{whole}' is {length} characters long, {} more than a pipe's name may have ({LONGEST}); use a shorter name",
                length - LONGEST
            )));
        }
        Ok(Place(whole))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn refuse(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

/// There is one place only where a name can be.
pub(crate) fn find_elsewhere(_: &OsStr, _: &Place) -> Option<PathBuf> {
    None
}

/// A name that we may own. Windows removes a pipe's name with its last instance.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnedName;

impl OwnedName {
    pub(crate) fn remove(&self) {}
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Access {
    pub(crate) permissions: Option<u32>,
    pub(crate) group: Option<u32>,
}

#[derive(Debug)]
pub(crate) struct Listener;

impl Listener {
    pub(crate) fn bind(_: &Place, _: Access, _many: bool, _: &OwnedName) -> io::Result<Self> {
        Err(not_yet("serving a named pipe"))
    }

    pub(crate) fn accept(&self, _timeout: Option<Duration>) -> io::Result<Option<Stream>> {
        Err(not_yet("serving a named pipe"))
    }
}

#[derive(Debug)]
pub(crate) struct Stream;

pub(crate) fn try_connect(_: &Place) -> io::Result<Attempt> {
    Err(not_yet("connecting to a named pipe"))
}

impl Stream {
    pub(crate) fn peer(&self) -> io::Result<Peer> {
        Err(not_yet("asking for a pipe's peer"))
    }

    pub(crate) fn source(&self) -> Source<'_> {
        Source::default()
    }

    pub(crate) fn sink(&self) -> Sink<'_> {
        Sink::default()
    }

    pub(crate) fn finish(&self) {}

    pub(crate) fn stop_receiving(&self) {}

    pub(crate) fn untaken(&self) -> io::Result<usize> {
        Ok(0)
    }

    pub(crate) fn take_error(&self) -> io::Result<()> {
        Ok(())
    }
}
