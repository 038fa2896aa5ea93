//! Looking for a server: one attempt at a time, none of which ever waits long. CreateFile alone decides:
//! WaitNamedPipe may say that an instance is free which somebody else then gets.

use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_FILE_NOT_FOUND, ERROR_PIPE_BUSY, GENERIC_READ, GENERIC_WRITE,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_OVERLAPPED, FILE_READ_ATTRIBUTES, FILE_WRITE_ATTRIBUTES, SECURITY_IDENTIFICATION, SECURITY_SQOS_PRESENT,
};

use super::ends::Kind;
use super::handles;
use super::pipe;
use super::place::Place;
use super::stream::{Pipe, Stream};
use crate::os::{Attempt, Mode, OneWay, Seen};

/// Calls that can be ended; and a server may learn who we are, but not act as us.
const FLAGS: u32 = FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION;

/// Looks for a server, as often as it is asked to.
#[derive(Debug)]
pub(crate) struct Connector {
    place: Place,
    mode: Option<Mode>,
    way: Option<OneWay>,
    /// Handles need not be looked for.
    handles: Option<Stream>,
}

impl Connector {
    /// For a server at `place`, with which bytes go `way`, or both.
    ///
    /// # Errors
    /// For handles that are not open or not fit.
    pub(crate) fn new(
        place: Place,
        mode: Option<Mode>,
        way: Option<OneWay>,
        _fifo_way: Option<OneWay>,
    ) -> io::Result<Self> {
        let handles = match place {
            Place::Handles(number, other) => Some(handles::adopt(number, other, way)?),
            Place::Pipe(_) => None,
        };
        Ok(Connector { place, mode, way, handles })
    }

    /// Tries once to connect, without waiting.
    ///
    /// # Errors
    /// All that waiting cannot mend: ERROR_ACCESS_DENIED, ERROR_BAD_NETPATH, a pipe of the other mode.
    pub(crate) fn attempt(&mut self) -> io::Result<Attempt> {
        if let Some(handles) = self.handles.take() {
            return Ok(Attempt::Connected(handles));
        }
        match open(self.place.name()?, self.way) {
            Ok((handle, way)) => connected(handle, way, self.mode).map(Attempt::Connected),
            Err(error) if is(&error, ERROR_FILE_NOT_FOUND) => Ok(Attempt::NotYet(Seen::Nothing)),
            Err(error) if is(&error, ERROR_PIPE_BUSY) => Ok(Attempt::NotYet(Seen::Busy)),
            Err(error) => Err(error),
        }
    }
}

/// Opens the pipe in the way that was asked for, or in the one that its server has made it for. To change how
/// messages are read takes the right to write attributes, which GENERIC_READ is without; to ask for the mode,
/// that to read them, which GENERIC_WRITE is without.
fn open(name: &str, wanted: Option<OneWay>) -> io::Result<(OwnedHandle, Option<OneWay>)> {
    let receive = [GENERIC_READ | FILE_WRITE_ATTRIBUTES, GENERIC_READ].map(|access| (access, Some(OneWay::In)));
    let send = [GENERIC_WRITE | FILE_READ_ATTRIBUTES, GENERIC_WRITE].map(|access| (access, Some(OneWay::Out)));
    let attempts = match wanted {
        Some(OneWay::In) => receive.to_vec(),
        Some(OneWay::Out) => send.to_vec(),
        None => [&[(GENERIC_READ | GENERIC_WRITE, None)], &receive[..], &send[..]].concat(),
    };
    let mut denied = None;
    for (access, way) in attempts {
        match pipe::open(name, access, FLAGS) {
            Ok(handle) => return Ok((handle, way)),
            Err(error) if is(&error, ERROR_ACCESS_DENIED) => denied = denied.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    Err(denied.unwrap_or_else(|| io::ErrorKind::PermissionDenied.into()))
}

/// A message pipe without a word about its mode is a stream of bytes, whose end is an empty message.
fn connected(handle: OwnedHandle, way: Option<OneWay>, mode: Option<Mode>) -> io::Result<Stream> {
    let raw = handle.as_raw_handle();
    let has_messages = pipe::has_messages(raw).unwrap_or(false);
    let kind = match (mode, has_messages) {
        (Some(Mode::Message), false) => {
            let why = "the pipe there carries bytes, not messages: '--mode byte' fits, with a --framing";
            return Err(io::Error::other(why));
        }
        (Some(Mode::Message), true) => {
            if way != Some(OneWay::Out) {
                pipe::read_messages(raw)?;
            }
            Kind::Messages
        }
        (None, true) => Kind::ClosableBytes,
        (Some(Mode::Byte), _) | (None, false) => Kind::Overlapped,
    };
    Pipe::new(handle, None, kind, way).map(Stream::Pipe)
}

fn is(error: &io::Error, code: u32) -> bool {
    error.raw_os_error() == Some(code.cast_signed())
}
