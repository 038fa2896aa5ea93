//! The end of a pump that bytes go to.

use std::fs::File;
use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::ERROR_OPERATION_ABORTED;

use super::blocking::Worker;
use super::ends::{Handle, Kind, Standard, borrowed};
use super::pump::{LOOK_EVERY, Waiting};
use super::stream::Pipe;
use super::wake::{Event, Wake};
use super::{overlapped, pipe, stdio};
use crate::os::Ended;

/// What is written to a pipe of bytes at once. A write that is ended may have been taken in part, and Windows
/// does not say how much: so it is no more than a pipe's buffer.
const PIECE: usize = pipe::BUFFER_SIZE as usize;

/// A write that has room is done by then. Only one that has none costs it, once.
const MOMENT: Duration = Duration::from_millis(2);

/// Where bytes go.
#[derive(Debug)]
pub(crate) struct Sink {
    handle: Handle,
    kind: Kind,
    /// Once this is given, nobody reads any more.
    over: Option<Arc<Wake>>,
    /// What tells that a call is done.
    event: Option<Event>,
    /// Who sleeps in the calls that cannot be waited for otherwise.
    worker: Option<Worker>,
}

impl Sink {
    /// This process's stdout.
    pub(crate) fn stdout() -> Self {
        let stdout = Standard(io::stdout().as_raw_handle());
        Sink::new(Handle::Standard(stdout), Kind::of(stdout.0))
    }

    /// A handle that is ours to close.
    pub(super) fn owned(handle: OwnedHandle) -> Self {
        let kind = Kind::of(handle.as_raw_handle());
        Sink::new(Handle::Owned(handle), kind)
    }

    /// What a child reads.
    pub(crate) fn child_input(input: super::command::ChildStdin) -> Self {
        Sink::owned(input.into())
    }

    /// What a child reads through a handle of its own, until `over`.
    pub(super) fn to_child(handle: OwnedHandle, over: Arc<Wake>) -> Self {
        Sink { over: Some(over), ..Sink::owned(handle) }
    }

    /// A file to be written to.
    pub(crate) fn file(file: File) -> Self {
        Sink::owned(file.into())
    }

    /// What the peer of a connection receives.
    pub(super) fn pipe(pipe: Arc<Pipe>, kind: Kind) -> Self {
        Sink::new(Handle::Pipe(pipe), kind)
    }

    fn new(handle: Handle, kind: Kind) -> Self {
        Sink { handle, kind, over: None, event: None, worker: None }
    }

    /// Can each write be a message? No inherited file is written so.
    #[expect(clippy::unused_self, reason = "Unix has sockets that can")]
    pub(crate) fn keeps_messages(&self) -> bool {
        false
    }

    /// Makes each write a message, where the file keeps messages apart.
    #[expect(clippy::unused_self, reason = "Unix has sockets that do")]
    pub(crate) fn write_messages(&mut self) {}

    /// Tells whoever reads there that no more comes. A connection of bytes cannot say it: the peer sees when
    /// we leave, and the connection when the peer has taken all.
    pub(crate) fn finish(self) {
        match &self.handle {
            Handle::Standard(_) if self.kind == Kind::Console => {}
            Handle::Standard(_) => stdio::finish_stdout(),
            Handle::Owned(_) => {}
            Handle::Pipe(pipe) => pipe.finish(self.kind),
        }
    }

    /// Waits for `pause`, or until nobody reads any more: did that happen?
    pub(crate) fn closes_within(&self, pause: Duration) -> bool {
        let start = Instant::now();
        loop {
            if self.is_abandoned() {
                return true;
            }
            let left = pause.saturating_sub(start.elapsed());
            if left.is_zero() {
                return false;
            }
            thread::sleep(left.min(LOOK_EVERY));
        }
    }

    /// Has whoever read there gone?
    pub(super) fn is_abandoned(&self) -> bool {
        self.looked_at().is_some_and(pipe::is_abandoned)
    }

    /// Can that happen?
    pub(super) fn may_be_abandoned(&self) -> bool {
        self.kind.may_be_abandoned()
    }

    /// What has to be looked at again and again to know it; nothing where it cannot happen, or where a call is
    /// under way: that one fails then, and Windows would have the look wait for it.
    pub(super) fn looked_at(&self) -> Option<RawHandle> {
        (self.may_be_abandoned() && !self.is_busy()).then(|| self.handle.as_raw_handle())
    }

    /// Is a thread of ours writing to it still?
    pub(super) fn is_busy(&self) -> bool {
        self.worker.as_ref().is_some_and(Worker::is_busy)
    }

    /// What tells that the last of it is done.
    pub(super) fn under_way(&self) -> Option<RawHandle> {
        self.worker.as_ref().and_then(Worker::under_way)
    }

    /// What says that nobody reads any more.
    pub(super) fn over(&self) -> Option<Arc<Wake>> {
        self.over.clone()
    }

    /// The connection, whose reading half may learn that the peer has gone.
    pub(super) fn connection(&self) -> Option<Arc<Pipe>> {
        match &self.handle {
            Handle::Pipe(pipe) => Some(Arc::clone(pipe)),
            Handle::Standard(_) | Handle::Owned(_) => None,
        }
    }

    /// Writes a piece of `bytes` (all of it, where it is a message), and says how much.
    pub(super) fn write(&mut self, bytes: &[u8], waiting: &Waiting<'_>) -> Result<usize, Ended> {
        let piece = if self.kind == Kind::Messages { bytes } else { &bytes[..bytes.len().min(PIECE)] };
        match self.kind {
            Kind::Overlapped | Kind::Messages | Kind::ClosableBytes => self.write_overlapped(piece, waiting),
            Kind::Blocking | Kind::Console => self.write_blocking(piece, waiting),
            Kind::File => self.as_file().write(piece).map_err(Ended::WriteFailed),
            Kind::Nothing => Ok(piece.len()),
        }
    }

    fn write_overlapped(&mut self, piece: &[u8], waiting: &Waiting<'_>) -> Result<usize, Ended> {
        let event = match self.event.take() {
            Some(event) => event,
            None => Event::new().map_err(Ended::WriteFailed)?,
        };
        let outcome = overlapped::write(borrowed(&self.handle), &event, piece, waiting);
        self.event = Some(event);
        match (outcome.moved, outcome.interrupted) {
            (Ok(written), _) => Ok(written),
            (Err(ERROR_OPERATION_ABORTED), Some(ended)) => Err(ended),
            (Err(code), _) if pipe::says_gone(code) => Err(Ended::SinkClosed),
            (Err(code), _) => Err(Ended::WriteFailed(overlapped::error(code))),
        }
    }

    fn write_blocking(&mut self, piece: &[u8], waiting: &Waiting<'_>) -> Result<usize, Ended> {
        let worker = self.worker().map_err(Ended::WriteFailed)?;
        let waiting = &waiting.without_a_look();
        if worker.is_under_way() {
            // One that an earlier session left alone; its result was that session's.
            let _ = worker.run(&mut Vec::new(), waiting)?;
        }
        match worker.run(&mut piece.to_vec(), waiting)? {
            Ok(written) => Ok(written),
            Err(error) if says_gone(&error) => Err(Ended::SinkClosed),
            Err(error) => Err(Ended::WriteFailed(error)),
        }
    }

    /// Writes a piece of `bytes` without waiting for long: nothing of it where the one before is not done.
    pub(super) fn write_now(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        let piece = &bytes[..bytes.len().min(PIECE)];
        match self.kind {
            Kind::File => return self.as_file().write(piece).map(Some),
            Kind::Nothing => return Ok(Some(piece.len())),
            _ => {}
        }
        let worker = self.worker()?;
        if worker.is_under_way() {
            let Some(before) = worker.result(&mut Vec::new()) else { return Ok(None) };
            before?;
        }
        worker.begin(&mut piece.to_vec());
        worker.wait(MOMENT);
        Ok(Some(piece.len()))
    }

    fn worker(&mut self) -> io::Result<&mut Worker> {
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => Worker::writer(self.handle.as_raw_handle(), self.kind)?,
        };
        Ok(self.worker.insert(worker))
    }

    /// Lends the handle as a file for one call.
    fn as_file(&self) -> ManuallyDrop<File> {
        // SAFETY: the handle is open as long as this is, and the file is never dropped, so never closes it.
        ManuallyDrop::new(unsafe { File::from_raw_handle(self.handle.as_raw_handle()) })
    }
}

pub(super) fn says_gone(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| pipe::says_gone(code.cast_unsigned()))
}
