//! Looking for a server: one attempt at a time, none of which ever waits.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::io::Errno;
use rustix::net::SocketType;

use super::fifo::{self, Fifo};
use super::name::{explained, what_it_is};
use super::place::Place;
use super::stream::{self, Stream};
use super::{handles, packets};
use crate::os::{Attempt, Mode, OneWay, Seen, directory_of};

/// Looks for a server, as often as it is asked to.
#[derive(Debug)]
pub(crate) struct Connector {
    place: Place,
    mode: Option<Mode>,
    fifo_way: Option<OneWay>,
    /// The FIFOs that were found there, one after another: who wrote to one may have done so before it was removed.
    fifos: Vec<Fifo>,
    /// Handles need not be looked for.
    handles: Option<Stream>,
}

impl Connector {
    /// For a server at `place`. `way` is the one that handles are to be used in, and `fifo_way` that of a
    /// FIFO, should there be one.
    ///
    /// # Errors
    /// For handles that are not open or not fit.
    pub(crate) fn new(
        place: Place,
        mode: Option<Mode>,
        way: Option<OneWay>,
        fifo_way: Option<OneWay>,
    ) -> io::Result<Self> {
        let handles = match place {
            Place::Handles(number, other) => Some(handles::adopt(number, other, way)?),
            _ => None,
        };
        Ok(Connector { place, mode, fifo_way, fifos: Vec::new(), handles })
    }

    /// Tries once to connect, without ever waiting.
    ///
    /// # Errors
    /// All that waiting cannot mend: EACCES, EPROTOTYPE, a missing directory, a file that is no socket.
    pub(crate) fn attempt(&mut self) -> io::Result<Attempt> {
        if let Some(handles) = self.handles.take() {
            return Ok(Attempt::Connected(handles));
        }
        if let Some(path) = self.place.file().filter(|path| fifo::is_at(path))
            && self.fifos.last().is_none_or(Fifo::was_replaced)
        {
            self.fifos.push(Fifo::new(path.to_owned(), self.fifo_way.ok_or_else(fifo::no_way)?));
        }
        let mut looked_at = 0;
        while let Some(fifo) = self.fifos.get(looked_at) {
            match fifo.attempt() {
                Ok(Attempt::NotYet(_)) => looked_at += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => drop(self.fifos.remove(looked_at)),
                connected => return connected,
            }
        }
        let has_become_other = |path: &Path| path.exists() && !fifo::is_at(path);
        match (self.fifos.last(), &self.place) {
            // Nor is one that was removed nothing: its writer may have come, and we do not know it yet.
            (Some(fifo), place) if !place.file().is_some_and(has_become_other) => Ok(Attempt::NotYet(fifo.missing())),
            (_, Place::Handles(..)) => Err(io::Error::other("it was no one to talk to, and there is no other")),
            (_, Place::Fifo(path)) => no_fifo(path).map(Attempt::NotYet),
            (_, place) => connect(place, self.mode),
        }
    }
}

/// In the mode that was asked for, or in the one that the server has.
fn connect(place: &Place, mode: Option<Mode>) -> io::Result<Attempt> {
    let kinds: &[SocketType] = match mode {
        Some(Mode::Byte) => &[SocketType::STREAM],
        Some(Mode::Message) => &[SocketType::SEQPACKET, SocketType::DGRAM],
        None => &[SocketType::STREAM, SocketType::SEQPACKET],
    };
    let last = kinds[kinds.len() - 1];
    for &kind in kinds {
        let socket = packets::socket(kind)?;
        return match rustix::net::connect(&socket, &place.socket_address()?) {
            Ok(()) if kind == SocketType::STREAM => Ok(Attempt::Connected(Stream::Socket(socket))),
            Ok(()) => stream::packets(socket, kind == SocketType::SEQPACKET).map(Attempt::Connected),
            Err(Errno::AGAIN) => Ok(Attempt::NotYet(Seen::Busy)),
            // An abstract name is another for each kind of socket.
            Err(Errno::CONNREFUSED) if place.file().is_none() && kind != last => continue,
            Err(Errno::CONNREFUSED) => refused(place.file()).map(Attempt::NotYet),
            Err(Errno::NOENT) => missing(place.file()).map(Attempt::NotYet),
            Err(Errno::PROTOTYPE) => continue,
            Err(error) => Err(error.into()),
        };
    }
    Err(io::Error::other(match mode {
        Some(Mode::Byte) => "the socket there carries messages, not bytes: '--mode message' fits",
        Some(Mode::Message) => "the socket there carries bytes, not messages: '--mode byte' fits, with a --framing",
        None => "the socket there carries datagrams: '-d out --mode message' fits",
    }))
}

fn no_fifo(path: &Path) -> io::Result<Seen> {
    match fs::metadata(path) {
        Ok(found) if !found.file_type().is_fifo() => {
            Err(io::Error::other(format!("{} is there, no FIFO", what_it_is(&found))))
        }
        _ => missing(Some(path)),
    }
}

/// Nobody listens: a stale socket may get a server, another file never will.
fn refused(path: Option<&Path>) -> io::Result<Seen> {
    let Some(path) = path else { return Ok(Seen::Nothing) };
    match fs::metadata(path) {
        // A FIFO may have come since we looked: the next look finds it.
        Ok(found) if !found.file_type().is_socket() && !found.file_type().is_fifo() => {
            Err(io::Error::other(format!("{} is there, no socket", what_it_is(&found))))
        }
        _ => Ok(Seen::Stale),
    }
}

/// A name that is not there may come, but not into a directory that is not there.
fn missing(path: Option<&Path>) -> io::Result<Seen> {
    match path {
        Some(path) if !directory_of(path).is_dir() => Err(explained(io::ErrorKind::NotFound.into(), path)),
        _ => Ok(Seen::Nothing),
    }
}
