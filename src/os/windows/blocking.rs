//! Reads and writes that cannot be waited for together with other things: those of a console, and of the
//! pipes that other programs made for us, whose handles are not overlapped. A thread sleeps in the call; who
//! wants the result waits for its event. A call that is left alone goes on, and is the next one's result. Who waits for
//! many things at once (link.rs) has a thread for the others too.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::windows::io::{AsRawHandle, RawHandle};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use windows_sys::Win32::System::IO::CancelSynchronousIo;

use super::ends::{Kind, borrowed};
use super::handles::duplicate;
use super::overlapped::{self, Outcome};
use super::pipe;
use super::pump::Waiting;
use super::wake::{Event, Wake, wait};
use crate::os::Ended;

/// How long we try to end a call that nobody waits for any more.
const CANCEL_PATIENCE: Duration = Duration::from_millis(100);

/// A thread that does one call after another, on a handle of its own.
#[derive(Debug)]
pub(super) struct Worker {
    give: Sender<Vec<u8>>,
    take: Receiver<(Vec<u8>, io::Result<usize>)>,
    ready: Arc<Event>,
    under_way: bool,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Reads into the buffers that it is given.
    pub(super) fn reader(handle: RawHandle, kind: Kind) -> io::Result<Self> {
        let (file, event, never) = (File::from(duplicate(handle)?), Event::new()?, Wake::new()?);
        Worker::start(move |buffer| {
            if kind.is_overlapped() {
                read_overlapped(|| overlapped::read(borrowed(&file), &event, buffer, &Waiting::for_sink(&never, None)))
            } else {
                read(&file, kind, buffer)
            }
        })
    }

    /// Writes the bytes that it is given.
    pub(super) fn writer(handle: RawHandle, kind: Kind) -> io::Result<Self> {
        let (file, event, never) = (File::from(duplicate(handle)?), Event::new()?, Wake::new()?);
        let mut rest = Vec::new();
        Worker::start(move |bytes| {
            if kind.is_overlapped() {
                let outcome = overlapped::write(borrowed(&file), &event, bytes, &Waiting::for_sink(&never, None));
                outcome.moved.map_err(overlapped::error)
            } else {
                write(&file, kind, bytes, &mut rest)
            }
        })
    }

    fn start(mut call: impl FnMut(&mut Vec<u8>) -> io::Result<usize> + Send + 'static) -> io::Result<Self> {
        let ready = Arc::new(Event::new()?);
        let (give, given) = channel::<Vec<u8>>();
        let (done, take) = channel();
        let tell = Arc::clone(&ready);
        let thread = thread::Builder::new().name("blocking".into()).spawn(move || {
            for mut buffer in given {
                let result = call(&mut buffer);
                if done.send((buffer, result)).is_err() {
                    return;
                }
                tell.set();
            }
        })?;
        Ok(Worker { give, take, ready, under_way: false, thread })
    }

    /// Has the call done with `buffer`, or finishes the one that is under way, into it.
    pub(super) fn run(&mut self, buffer: &mut Vec<u8>, waiting: &Waiting<'_>) -> Result<io::Result<usize>, Ended> {
        self.begin(buffer);
        waiting.until(self.ready.as_raw_handle())?;
        Ok(self.finish(buffer))
    }

    /// Has a call done with `buffer`, unless one is under way.
    pub(super) fn begin(&mut self, buffer: &mut Vec<u8>) {
        if !self.under_way {
            self.ready.reset();
            let _ = self.give.send(std::mem::take(buffer));
            self.under_way = true;
        }
    }

    /// The result of the call that is under way, if it is over.
    pub(super) fn result(&mut self, buffer: &mut Vec<u8>) -> Option<io::Result<usize>> {
        (self.under_way && self.ready.is_set()).then(|| self.finish(buffer))
    }

    fn finish(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        self.under_way = false;
        let (returned, result) = self.take.recv().map_err(|_| io::Error::other("the thread that waits has gone"))?;
        *buffer = returned;
        result
    }

    /// Waits until the call that is under way is over, but no longer than for `pause`.
    pub(super) fn wait(&self, pause: Duration) {
        let _ = wait(&[self.ready.as_raw_handle()], Some(pause));
    }

    /// Is a call under way that was left alone?
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// What tells that it is over.
    pub(super) fn under_way(&self) -> Option<RawHandle> {
        self.under_way.then(|| self.ready.as_raw_handle())
    }

    /// Is one under way, and not over?
    pub(super) fn is_busy(&self) -> bool {
        self.under_way && !self.ready.is_set()
    }
}

impl Drop for Worker {
    /// Ends the call that is under way: as long as it lasts, the handle is open, and the other side learns
    /// nothing. Asked more than once, because the thread may not have begun the call yet.
    fn drop(&mut self) {
        let give_up = Instant::now() + CANCEL_PATIENCE;
        while self.under_way && !self.ready.is_set() && Instant::now() < give_up {
            // SAFETY: the thread is not joined yet; that it sleeps in no call is a legal answer.
            unsafe { CancelSynchronousIo(self.thread.as_raw_handle()) };
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// As std has it: a peer that has gone is the end, which is nothing.
fn read_overlapped(mut read: impl FnMut() -> Outcome) -> io::Result<usize> {
    loop {
        match read().moved {
            // Somebody wrote nothing.
            Ok(0) => {}
            Err(code) if pipe::says_gone(code) => return Ok(0),
            moved => return moved.map_err(overlapped::error),
        }
    }
}

fn read(mut file: &File, kind: Kind, buffer: &mut [u8]) -> io::Result<usize> {
    if kind == Kind::Console {
        // std makes UTF-8 of what is typed, and an end of Ctrl-Z.
        return io::stdin().lock().read(buffer);
    }
    loop {
        match file.read(buffer) {
            // Somebody wrote nothing; the end would be ERROR_BROKEN_PIPE, which std gives as 0 too.
            Ok(0) if pipe::is_connected(file.as_raw_handle()) => {}
            read => return read,
        }
    }
}

fn write(mut file: &File, kind: Kind, bytes: &[u8], rest: &mut Vec<u8>) -> io::Result<usize> {
    if kind == Kind::Console {
        return write_to_console(bytes, rest).map(|()| bytes.len());
    }
    file.write_all(bytes).map(|()| bytes.len())
}

/// A console takes text, and std refuses anything else. `rest` is the beginning of a character.
fn write_to_console(bytes: &[u8], rest: &mut Vec<u8>) -> io::Result<()> {
    let mut all = std::mem::take(rest);
    all.extend_from_slice(bytes);
    if let Err(error) = str::from_utf8(&all)
        && error.error_len().is_none()
    {
        *rest = all.split_off(error.valid_up_to());
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(String::from_utf8_lossy(&all).as_bytes())?;
    stdout.flush()
}
