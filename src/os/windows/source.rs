//! The end of a pump that bytes come from.

use std::fs::File;
use std::io::{self, Read};
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::sync::Arc;

use windows_sys::Win32::Foundation::ERROR_OPERATION_ABORTED;
use windows_sys::Win32::Storage::FileSystem::{FILE_CURRENT, SetFilePointerEx};

use super::blocking::Worker;
use super::ends::{Handle, Kind, Standard, borrowed};
use super::pump::Waiting;
use super::stream::Pipe;
use super::wake::{Event, Wake};
use super::{overlapped, pipe, stdio};
use crate::os::Ended;

/// Large enough that the system calls are few, small enough for a processor's cache.
const BUFFER_SIZE: usize = 256 * 1024;

/// Where bytes come from. What was taken from it and could not be delivered stays with it: a server's
/// stdin goes on with the next client.
#[derive(Debug)]
pub(crate) struct Source {
    handle: Handle,
    kind: Kind,
    buffer: Vec<u8>,
    taken: Range<usize>,
    ended: bool,
    /// Once this is given, it ends when nothing is left in it.
    over: Option<Arc<Wake>>,
    /// No more of a message is read than shows that it is too large.
    largest_message: usize,
    /// What tells that a call is done.
    event: Option<Event>,
    /// Who sleeps in the calls that cannot be waited for otherwise.
    worker: Option<Worker>,
}

impl Source {
    /// This process's stdin.
    pub(crate) fn stdin() -> Self {
        let stdin = Standard(io::stdin().as_raw_handle());
        Source::new(Handle::Standard(stdin), Kind::of(stdin.0))
    }

    /// A handle that is ours to close.
    pub(super) fn owned(handle: OwnedHandle) -> Self {
        let kind = Kind::of(handle.as_raw_handle());
        Source::new(Handle::Owned(handle), kind)
    }

    /// What a child writes.
    pub(crate) fn child_output(output: super::command::ChildStdout) -> Self {
        Source::owned(output.into())
    }

    /// What a child writes through a handle of its own, until `over`.
    pub(super) fn from_child(handle: OwnedHandle, over: Arc<Wake>) -> Self {
        Source { over: Some(over), ..Source::owned(handle) }
    }

    /// A file to be read.
    pub(crate) fn file(file: File) -> Self {
        Source::owned(file.into())
    }

    /// What the peer of a connection sends.
    pub(super) fn pipe(pipe: Arc<Pipe>, kind: Kind) -> Self {
        Source::new(Handle::Pipe(pipe), kind)
    }

    fn new(handle: Handle, kind: Kind) -> Self {
        let ended = kind == Kind::Nothing;
        Source {
            handle,
            kind,
            buffer: vec![0; BUFFER_SIZE],
            taken: 0..0,
            ended,
            over: None,
            largest_message: usize::MAX,
            event: None,
            worker: None,
        }
    }

    /// Is each read a message? No inherited file is read so.
    #[expect(clippy::unused_self, reason = "Unix has sockets that do")]
    pub(crate) fn keeps_messages(&self) -> bool {
        false
    }

    /// Bytes taken and not delivered.
    pub(crate) fn undelivered(&self) -> &[u8] {
        self.buffer.get(self.taken.clone()).unwrap_or_default()
    }

    /// How many bytes are still to come, where a file says so.
    pub(crate) fn length(&self) -> Option<u64> {
        if self.kind != Kind::File {
            return None;
        }
        let mut at = 0;
        // SAFETY: the handle is open, and one i64 is written.
        let told = unsafe { SetFilePointerEx(self.handle.as_raw_handle(), 0, &raw mut at, FILE_CURRENT) } != 0;
        let size = self.as_file().metadata().ok()?.len();
        told.then(|| size.saturating_sub(u64::try_from(at).unwrap_or(0)))
    }

    /// That cannot be known of everything here.
    #[expect(clippy::unused_self, reason = "Unix knows")]
    pub(crate) fn has_more(&self) -> bool {
        false
    }

    /// Takes no more: whoever writes there learns that nobody reads. (A connection cannot say so for one of
    /// its ways alone.)
    pub(crate) fn close(mut self) {
        drop(self.worker.take());
        if let Handle::Standard(_) = self.handle {
            stdio::close_stdin();
        }
    }

    /// What says that no more will come.
    pub(super) fn over(&self) -> Option<Arc<Wake>> {
        self.over.clone()
    }

    /// Has messages of more than this refused: whoever sends one decides how much memory it takes.
    pub(super) fn limit_messages(&mut self, largest: usize) {
        self.largest_message = largest;
    }

    /// Has the end of data been seen?
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// So many of them have arrived where they should.
    pub(crate) fn delivered(&mut self, count: usize) {
        self.taken.start += count;
    }

    /// Waits for data, and takes what is there; the end is noted. Only called when nothing is undelivered.
    pub(super) fn fill(&mut self, waiting: &Waiting<'_>) -> Result<(), Ended> {
        self.taken = 0..0;
        if self.ended {
            return Ok(());
        }
        match self.kind {
            Kind::Overlapped | Kind::Messages | Kind::ClosableBytes => self.fill_overlapped(waiting),
            Kind::Blocking | Kind::Console => self.fill_blocking(waiting),
            Kind::File => {
                waiting.look()?;
                let read = self.read_file();
                self.took(read).map_err(Ended::ReadFailed)
            }
            Kind::Nothing => self.took(Ok(0)).map_err(Ended::ReadFailed),
        }
    }

    /// The same without waiting: false where there may be nothing yet.
    pub(super) fn fill_now(&mut self) -> io::Result<bool> {
        self.taken = 0..0;
        let read = match self.kind {
            Kind::File => self.read_file(),
            Kind::Nothing => Ok(0),
            _ => {
                let (worker, buffer) = self.worker()?;
                worker.begin(buffer);
                let Some(read) = worker.result(buffer) else { return Ok(false) };
                read
            }
        };
        self.took(read).map(|()| true)
    }

    /// Is a thread of ours reading it, with nothing yet?
    pub(super) fn is_busy(&self) -> bool {
        self.worker.as_ref().is_some_and(Worker::is_busy)
    }

    /// What tells that it has something.
    pub(super) fn under_way(&self) -> Option<RawHandle> {
        self.worker.as_ref().and_then(Worker::under_way)
    }

    fn read_file(&mut self) -> io::Result<usize> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let read = self.as_file().read(&mut buffer);
        self.buffer = buffer;
        read
    }

    fn took(&mut self, read: io::Result<usize>) -> io::Result<()> {
        let read = read?;
        self.taken = 0..read;
        self.ended = read == 0;
        Ok(())
    }

    fn worker(&mut self) -> io::Result<(&mut Worker, &mut Vec<u8>)> {
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => Worker::reader(self.handle.as_raw_handle(), self.kind)?,
        };
        Ok((self.worker.insert(worker), &mut self.buffer))
    }

    fn fill_blocking(&mut self, waiting: &Waiting<'_>) -> Result<(), Ended> {
        let (worker, buffer) = self.worker().map_err(Ended::ReadFailed)?;
        let read = worker.run(buffer, waiting)?;
        self.took(read).map_err(Ended::ReadFailed)
    }

    /// Reads once, or one message: ERROR_MORE_DATA says that its rest is there already.
    fn fill_overlapped(&mut self, waiting: &Waiting<'_>) -> Result<(), Ended> {
        let event = match self.event.take() {
            Some(event) => event,
            None => Event::new().map_err(Ended::ReadFailed)?,
        };
        let mut length = 0;
        let (moved, interrupted) = loop {
            let room = self.buffer.get_mut(length..).unwrap_or_default();
            let outcome = overlapped::read(borrowed(&self.handle), &event, room, waiting);
            length += outcome.moved.unwrap_or(0);
            if !outcome.more || self.kind != Kind::Messages || length > self.largest_message {
                break (outcome.moved, outcome.interrupted);
            }
            let larger = self.buffer.len().saturating_mul(2);
            self.buffer.resize(larger, 0);
        };
        self.event = Some(event);
        let nothing_was_taken = match moved {
            Ok(0) if self.kind == Kind::ClosableBytes => {
                self.ended = true;
                false
            }
            Ok(_) => {
                self.taken = 0..length;
                length == 0 && self.kind != Kind::Messages
            }
            Err(ERROR_OPERATION_ABORTED) if interrupted.is_some() => true,
            Err(code) if pipe::says_gone(code) => {
                self.ended = true;
                self.note_gone();
                false
            }
            Err(code) => return Err(Ended::ReadFailed(overlapped::error(code))),
        };
        // What came first is told when nothing has come besides it; else at the next look.
        match interrupted {
            Some(ended) if nothing_was_taken => Err(ended),
            _ => Ok(()),
        }
    }

    /// Who writes to the same connection learns it too, though nothing tells a writer that waits for data.
    fn note_gone(&self) {
        if let Handle::Pipe(pipe) = &self.handle {
            pipe.has_gone();
        }
    }

    /// Lends the handle as a file for one call.
    fn as_file(&self) -> ManuallyDrop<File> {
        // SAFETY: the handle is open as long as this is, and the file is never dropped, so never closes it.
        ManuallyDrop::new(unsafe { File::from_raw_handle(self.handle.as_raw_handle()) })
    }
}
