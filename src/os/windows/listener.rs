//! A pipe that we serve: instances of a named pipe, private before anybody can reach one.
//!
//! There is no backlog here. A client needs an instance of its own that is free, and else is told
//! ERROR_PIPE_BUSY and tries again. One instance is free as long as more clients are wanted: the next is made
//! before the one that a client has taken is handed out.

use std::io;
use std::num::NonZeroUsize;
use std::os::windows::io::OwnedHandle;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_NO_DATA, ERROR_OPERATION_ABORTED, ERROR_PIPE_BUSY, ERROR_PIPE_CONNECTED,
    ERROR_SEM_TIMEOUT, GetLastError,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX, PIPE_ACCESS_INBOUND, PIPE_ACCESS_OUTBOUND,
};
use windows_sys::Win32::System::Pipes::{
    PIPE_READMODE_BYTE, PIPE_READMODE_MESSAGE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_TYPE_MESSAGE,
    PIPE_UNLIMITED_INSTANCES, WaitNamedPipeW,
};

use super::call::Call;
use super::ends::{Kind, borrowed};
use super::lookout::Watched;
use super::name::OwnedName;
use super::overlapped;
use super::pipe::{self, Make};
use super::place::Place;
use super::pump::Waiting;
use super::security::Descriptor;
use super::sink::Sink;
use super::stream::{Pipe, Stream};
use super::wake::{Event, Wake};
use crate::os::{Accepted, Access, Ended, Instances, Mode, News, OneWay, Wish};

/// While all instances that may be are in use, how often we look whether one is free.
const BUSY_PAUSE: Duration = Duration::from_millis(15);

/// A pipe that clients can connect to.
#[derive(Debug)]
pub(crate) struct Listener {
    name: String,
    make: Make,
    descriptor: Descriptor,
    kind: Kind,
    way: Option<OneWay>,
    many: bool,
    /// Whether all instances that may be can be in use at once.
    limited: bool,
    /// Held by each instance: without any, the name is nobody's.
    in_use: Arc<()>,
    /// The one that the next client gets.
    free: Mutex<Option<OwnedHandle>>,
    /// The same once somebody waits for that client beside other things.
    entrance: Mutex<Option<Call<OwnedHandle>>>,
}

impl Listener {
    /// Creates the pipe at `place`, for `many` clients or one, and the way that was asked for.
    ///
    /// # Errors
    /// `AddrInUse` where it is served already; `Unsupported` for what a pipe cannot have here.
    pub(crate) fn bind(
        place: &Place,
        mode: Mode,
        way: Option<OneWay>,
        _fifo_way: Option<OneWay>,
        access: Access,
        many: bool,
        _: &OwnedName,
    ) -> io::Result<Self> {
        access.refuse_what_is_not_there()?;
        let name = place.of_our_own()?.to_owned();
        if is_served(&name) {
            return Err(in_use(&name));
        }
        let listener = Listener {
            make: access.make(mode, way, many),
            descriptor: Descriptor::new(access.instances.others)?,
            kind: if mode == Mode::Message { Kind::Messages } else { Kind::Overlapped },
            way,
            many,
            limited: access.instances.most.is_some(),
            in_use: Arc::default(),
            free: Mutex::default(),
            entrance: Mutex::default(),
            name,
        };
        let first = listener.instance()?;
        *listener.free() = Some(first);
        Ok(listener)
    }

    pub(crate) fn is_fifo(&self) -> bool {
        false
    }

    /// The next client, unless `timeout` is over first (never without one), `wake` is given, or nobody
    /// reads `stdout` any more.
    pub(crate) fn accept(&self, timeout: Option<Duration>, wake: &Wake, stdout: Option<&Sink>) -> io::Result<Accepted> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let (waiting, event) = (Waiting::for_sink(wake, stdout).no_longer_than(deadline), Event::new()?);
        loop {
            let instance = match self.free_instance() {
                Err(error) if code(&error) == ERROR_PIPE_BUSY => match waiting.look() {
                    Ok(()) => {
                        thread::sleep(BUSY_PAUSE);
                        continue;
                    }
                    Err(ended) => return came_first(ended),
                },
                instance => instance?,
            };
            let outcome = overlapped::connect(borrowed(&instance), &event, &waiting);
            match (outcome.moved, outcome.interrupted) {
                // Connected, or was before we asked; and with NO_DATA one that has left again, whose bytes
                // are there all the same.
                (Ok(_) | Err(ERROR_PIPE_CONNECTED | ERROR_NO_DATA), _) => {
                    return self.hand_out(instance).map(Accepted::Client);
                }
                (Err(ERROR_OPERATION_ABORTED), Some(ended)) => {
                    *self.free() = Some(instance);
                    return came_first(ended);
                }
                (Err(code), _) => return Err(overlapped::error(code)),
            }
        }
    }

    /// A client that is there already.
    ///
    /// # Errors
    /// `ResourceBusy` where there cannot be another instance now.
    pub(crate) fn take_waiting(&self) -> io::Result<Option<Stream>> {
        let mut entrance = match self.entrance().take() {
            Some(entrance) => entrance,
            None => self.open_entrance()?,
        };
        match entrance.done().map(|done| done.moved) {
            None => {
                *self.entrance() = Some(entrance);
                Ok(None)
            }
            Some(Ok(_) | Err(ERROR_PIPE_CONNECTED | ERROR_NO_DATA)) => {
                self.hand_out(entrance.handle().try_clone()?).map(Some)
            }
            Some(Err(code)) => Err(overlapped::error(code)),
        }
    }

    /// Begins to wait for a client beside other things.
    fn open_entrance(&self) -> io::Result<Call<OwnedHandle>> {
        let instance = self.free_instance().map_err(|error| match code(&error) {
            ERROR_PIPE_BUSY => io::ErrorKind::ResourceBusy.into(),
            _ => error,
        })?;
        let mut entrance = Call::new(Arc::new(instance));
        entrance.connect();
        Ok(entrance)
    }

    fn hand_out(&self, instance: OwnedHandle) -> io::Result<Stream> {
        let pipe = Pipe::new(instance, Some(Arc::clone(&self.in_use)), self.kind, self.way)?;
        if self.many && !self.limited {
            // If there is no room for another now, the next call tries again.
            *self.free() = self.instance().ok();
        }
        Ok(Stream::Pipe(pipe))
    }

    fn free_instance(&self) -> io::Result<OwnedHandle> {
        let free = self.free().take();
        free.map_or_else(|| self.instance(), Ok)
    }

    /// Where we have none, it has to be the first of all: whoever took the name meanwhile would decide who may
    /// connect to ours.
    fn instance(&self) -> io::Result<OwnedHandle> {
        let is_first = Arc::strong_count(&self.in_use) == 1;
        let flags = if is_first { FILE_FLAG_FIRST_PIPE_INSTANCE } else { 0 };
        let make = Make { open_mode: self.make.open_mode | flags, ..self.make };
        pipe::make(&self.name, make, &self.descriptor).map_err(|error| match code(&error) {
            ERROR_ACCESS_DENIED | ERROR_PIPE_BUSY if is_first => in_use(&self.name),
            _ => error,
        })
    }

    fn entrance(&self) -> MutexGuard<'_, Option<Call<OwnedHandle>>> {
        self.entrance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn free(&self) -> MutexGuard<'_, Option<OwnedHandle>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched for Listener {
    fn begin(&self, _: Wish) {
        let mut entrance = self.entrance();
        if entrance.is_none() {
            *entrance = self.open_entrance().ok();
        }
    }

    /// What could not begin is tried again, and then says why.
    fn news(&self, _: Wish) -> News {
        let is_shut = self.entrance().as_mut().is_some_and(Call::is_under_way);
        News { to_take: !is_shut, ..News::default() }
    }

    fn has_to_be_looked_at(&self) -> bool {
        false
    }
}

fn came_first(ended: Ended) -> io::Result<Accepted> {
    match ended {
        Ended::Woken => Ok(Accepted::Woken),
        Ended::SinkClosed => Ok(Accepted::NobodyReads),
        Ended::ReadFailed(error) => Err(error),
        _ => Ok(Accepted::TimedOut),
    }
}

impl Access {
    fn refuse_what_is_not_there(self) -> io::Result<()> {
        let why = if self.permissions.is_some() || self.group.is_some() {
            "a pipe has no '--permissions' and no '--group' on Windows: '--peer any' lets others in"
        } else if self.replace {
            "on Windows a name cannot be taken from a server that lives: end that one first"
        } else {
            return Ok(());
        };
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    }

    fn make(self, mode: Mode, way: Option<OneWay>, many: bool) -> Make {
        let access = match way {
            Some(OneWay::In) => PIPE_ACCESS_INBOUND,
            Some(OneWay::Out) => PIPE_ACCESS_OUTBOUND,
            None => PIPE_ACCESS_DUPLEX,
        };
        let kept_apart = match mode {
            Mode::Byte => PIPE_TYPE_BYTE | PIPE_READMODE_BYTE,
            Mode::Message => PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE,
        };
        let Instances { remote, most: limit, buffer_size, .. } = self.instances;
        // The greatest number means that there is no limit, so that a larger limit is none.
        let most = |most: NonZeroUsize| u32::try_from(most.get()).unwrap_or(u32::MAX).min(PIPE_UNLIMITED_INSTANCES);
        Make {
            open_mode: access | FILE_FLAG_OVERLAPPED,
            pipe_mode: kept_apart | if remote { 0 } else { PIPE_REJECT_REMOTE_CLIENTS },
            instances: if many { limit.map_or(PIPE_UNLIMITED_INSTANCES, most) } else { 1 },
            buffer_size: buffer_size.and_then(|size| u32::try_from(size).ok()).unwrap_or(pipe::BUFFER_SIZE),
        }
    }
}

/// Does anybody serve that name? To ask for a free instance disturbs nobody: to open one would be a client.
fn is_served(name: &str) -> bool {
    let (name, shortest) = (pipe::wide(name), 1);
    // SAFETY: the name ends in a zero.
    let free = unsafe { WaitNamedPipeW(name.as_ptr(), shortest) } != 0;
    // SAFETY: reads the calling thread's own variable.
    free || unsafe { GetLastError() } == ERROR_SEM_TIMEOUT
}

fn in_use(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, format!("'{name}' is already served by another process"))
}

fn code(error: &io::Error) -> u32 {
    error.raw_os_error().map_or(0, i32::cast_unsigned)
}
