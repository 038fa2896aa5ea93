//! Where a pipe address leads on Windows (`\\.\pipe\NAME`), and the pipes that are not there yet.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::hub::{Cutter, HandedOver, Link};
use super::not_yet;
use super::pumps::{Sink, Source, Wake};
use crate::os::{Accepted, Attempt, Mode, OneWay, Peer};

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

    pub(crate) fn of_handles(_: u64, _: Option<u64>) -> io::Result<Self> {
        Err(not_yet("inherited handles (fd:N)"))
    }

    pub(crate) fn fifo(_: &Path) -> io::Result<Self> {
        Err(refuse("there are no FIFOs on Windows: a NAME is a named pipe".to_owned()))
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

/// Pipes are no files.
pub(crate) fn is_pipe(_: &Path) -> bool {
    false
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
    pub(crate) replace: bool,
}

#[derive(Debug)]
pub(crate) struct Listener;

impl Listener {
    pub(crate) fn bind(
        _: &Place,
        _: Mode,
        _: Option<OneWay>,
        _: Access,
        _many: bool,
        _: &OwnedName,
    ) -> io::Result<Self> {
        Err(not_yet("serving a named pipe"))
    }

    pub(crate) fn inherited(_: HandedOver, _: &Place, _: Option<&str>, _: Mode) -> io::Result<(Self, String)> {
        Err(not_yet("serving a named pipe"))
    }

    pub(crate) fn take_waiting(&self) -> io::Result<Option<Stream>> {
        Err(not_yet("serving a named pipe"))
    }

    pub(crate) fn is_fifo(&self) -> bool {
        false
    }

    pub(crate) fn accept(&self, _: Option<Duration>, _: &Wake, _stdout: Option<&Sink>) -> io::Result<Accepted> {
        Err(not_yet("serving a named pipe"))
    }
}

#[derive(Debug)]
pub(crate) struct Stream;

#[derive(Debug)]
pub(crate) struct Connector;

impl Connector {
    pub(crate) fn new(_: Place, _: Option<Mode>, _: Option<OneWay>, _: Option<OneWay>) -> io::Result<Self> {
        Ok(Connector)
    }

    pub(crate) fn attempt(&mut self) -> io::Result<Attempt> {
        Err(not_yet("connecting to a named pipe"))
    }
}

impl Stream {
    pub(crate) fn peer(&self) -> io::Result<Option<Peer>> {
        Err(not_yet("asking for a pipe's peer"))
    }

    pub(crate) fn mode(&self) -> Mode {
        Mode::Byte
    }

    pub(crate) fn only_way(&self) -> Option<OneWay> {
        None
    }

    pub(crate) fn set_buffer_size(&self, _: usize) -> io::Result<()> {
        Err(not_yet("the size of a pipe's buffers"))
    }

    pub(crate) fn keep_only(&self, _: OneWay) {}

    pub(crate) fn into_stdio(self) -> io::Result<(Option<Stdio>, Option<Stdio>)> {
        Err(not_yet("a pipe as a program's stdin and stdout"))
    }

    pub(crate) fn cutter(&self) -> io::Result<Cutter> {
        Err(not_yet("--client-timeout"))
    }

    pub(crate) fn into_link(self) -> io::Result<Link> {
        Err(not_yet("--hub"))
    }

    pub(crate) fn into_ends(self) -> (Option<Source>, Option<Sink>, Connection) {
        (None, None, Connection)
    }
}

#[derive(Debug)]
pub(crate) struct Connection;

impl Connection {
    pub(crate) fn none() -> Self {
        Connection
    }

    pub(crate) fn untaken(&self) -> io::Result<usize> {
        Ok(0)
    }

    pub(crate) fn leave_abruptly(&self) {}

    pub(crate) fn take_error(&self) -> io::Result<()> {
        Ok(())
    }
}
