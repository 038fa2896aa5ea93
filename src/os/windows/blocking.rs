//! Reads and writes that cannot be waited for together with other things: those of a console, and of the
//! pipes that other programs made for us, whose handles are not overlapped. A thread sleeps in the call; who
//! wants the result waits for its event. A call that is left alone goes on, and is the next one's result.

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;
use std::os::windows::io::{AsRawHandle, FromRawHandle, RawHandle};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use windows_sys::Win32::System::IO::CancelSynchronousIo;

use super::ends::Kind;
use super::pipe;
use super::pump::Waiting;
use super::wake::Event;
use crate::os::Ended;

/// A thread that does one call after another.
#[derive(Debug)]
pub(super) struct Worker {
    give: Sender<Vec<u8>>,
    take: Receiver<(Vec<u8>, io::Result<usize>)>,
    ready: Arc<Event>,
    under_way: bool,
    thread: JoinHandle<()>,
}

/// A handle that a thread of ours may use: its owner stays until the process ends, or until the thread was
/// told to let go of it.
struct Lent(RawHandle);

// SAFETY: handles are numbers of the whole process; any thread may use one.
unsafe impl Send for Lent {}

impl Worker {
    /// Reads into the buffers that it is given.
    pub(super) fn reader(handle: RawHandle, kind: Kind) -> io::Result<Self> {
        let lent = Lent(handle);
        Worker::start(move |buffer| read(&lent, kind, buffer))
    }

    /// Writes the bytes that it is given.
    pub(super) fn writer(handle: RawHandle, kind: Kind) -> io::Result<Self> {
        let (lent, mut rest) = (Lent(handle), Vec::new());
        Worker::start(move |bytes| write(&lent, kind, bytes, &mut rest))
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
        if !self.under_way {
            pipe::reset(&self.ready);
            let _ = self.give.send(std::mem::take(buffer));
            self.under_way = true;
        }
        waiting.until(self.ready.as_raw_handle())?;
        self.under_way = false;
        Ok(match self.take.recv() {
            Ok((returned, result)) => {
                *buffer = returned;
                result
            }
            Err(_) => Err(io::Error::other("the thread that waits for it has gone")),
        })
    }

    /// Is a call under way that was left alone?
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// Ends the call that is under way, so that the handle can be closed.
    pub(super) fn cancel(self) {
        let Worker { give, take, thread, under_way, .. } = self;
        drop((give, take));
        if under_way {
            // SAFETY: the thread is ours and not joined yet; that it sleeps in no call is a legal answer.
            unsafe { CancelSynchronousIo(thread.as_raw_handle()) };
        }
    }
}

/// Lends the handle as a file for one call.
fn as_file(lent: &Lent) -> ManuallyDrop<File> {
    // SAFETY: the handle is open as long as it is lent, and the file is never dropped, so never closes it.
    ManuallyDrop::new(unsafe { File::from_raw_handle(lent.0) })
}

fn read(lent: &Lent, kind: Kind, buffer: &mut Vec<u8>) -> io::Result<usize> {
    if kind == Kind::Console {
        // std makes UTF-8 of what is typed, and an end of Ctrl-Z.
        return io::stdin().lock().read(buffer);
    }
    loop {
        match as_file(lent).read(buffer) {
            // Somebody wrote nothing; the end would be ERROR_BROKEN_PIPE, which std gives as 0 too.
            Ok(0) if pipe::is_connected(lent.0) => {}
            read => return read,
        }
    }
}

fn write(lent: &Lent, kind: Kind, bytes: &[u8], rest: &mut Vec<u8>) -> io::Result<usize> {
    if kind == Kind::Console {
        return write_to_console(bytes, rest).map(|()| bytes.len());
    }
    as_file(lent).write_all(bytes).map(|()| bytes.len())
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
