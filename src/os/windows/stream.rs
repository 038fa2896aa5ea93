//! A connection: its two ends, and what Windows can say of its end.
//!
//! A named pipe has no half-close. A peer learns of our end when we leave, or, where the pipe keeps messages
//! apart and is used for bytes, by an empty message (which is what Docker's engine and go-winio take for one).

use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle, RawHandle};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::GetLastError;
use windows_sys::Win32::Storage::FileSystem::FlushFileBuffers;

use super::command::Stdio;
use super::ends::{Kind, borrowed};
use super::link::Link;
use super::pump::Waiting;
use super::sink::Sink;
use super::source::Source;
use super::wake::{Event, Wake};
use super::{overlapped, people, pipe};
use crate::os::{Mode, OneWay, Peer};

/// After the end of what we send, a peer that cannot be told of it is listened to until it has been silent
/// for so long.
const SILENCE: Duration = Duration::from_secs(1);

/// A thread that is woken needs no longer than this to say what it learned, on any but a stopped machine.
const MOMENT: Duration = Duration::from_millis(100);

/// A connection before anything has moved.
#[derive(Debug)]
pub(crate) enum Stream {
    /// A named pipe.
    Pipe(Pipe),
    /// Handles that our parent gave us.
    Handles {
        /// What we read.
        receive: Option<OwnedHandle>,
        /// What we write to.
        send: Option<OwnedHandle>,
    },
}

impl Stream {
    /// Who is at the other end; an anonymous pipe does not say, nor does one to another computer.
    pub(crate) fn peer(&self) -> io::Result<Option<Peer>> {
        match self {
            Stream::Pipe(pipe) if pipe.is_served() => Ok(people::client_of(pipe.as_raw_handle())),
            Stream::Pipe(pipe) => Ok(people::server_of(pipe.as_raw_handle())),
            Stream::Handles { .. } => Ok(None),
        }
    }

    /// Who has made it: that is its peer.
    #[expect(clippy::unused_self, reason = "Unix has FIFOs")]
    pub(crate) fn maker(&self) -> Option<u32> {
        None
    }

    /// Does the pipe keep messages apart?
    pub(crate) fn mode(&self) -> Mode {
        match self {
            Stream::Pipe(pipe) if pipe.kind == Kind::Messages => Mode::Message,
            Stream::Pipe(_) | Stream::Handles { .. } => Mode::Byte,
        }
    }

    /// The one way that there is.
    pub(crate) fn only_way(&self) -> Option<OneWay> {
        match self {
            Stream::Pipe(pipe) => pipe.way,
            Stream::Handles { send: None, .. } => Some(OneWay::In),
            Stream::Handles { receive: None, .. } => Some(OneWay::Out),
            Stream::Handles { .. } => None,
        }
    }

    /// Only a pipe's server decides about its buffers, when it makes the pipe.
    ///
    /// # Errors
    /// `Unsupported` for everybody else.
    pub(crate) fn set_buffer_size(&self, _: usize) -> io::Result<Option<String>> {
        match self {
            Stream::Pipe(pipe) if pipe.is_served() => Ok(None),
            Stream::Pipe(_) | Stream::Handles { .. } => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "on Windows the side that makes a pipe decides about its buffers: leave '--buffer-size' out",
            )),
        }
    }

    /// A pipe's buffers are what its server made them.
    pub(crate) fn enlarge_buffer(&self) {}

    /// Neither half can be ended alone.
    pub(crate) fn keep_only(&self, _: OneWay) {}

    /// Can the connection be a program's stdin and stdout? Programs expect handles whose calls wait until they
    /// are done, and on such a one a write would wait for the read that is under way.
    pub(crate) fn fits_programs(&self) -> bool {
        false
    }

    /// The connection as a program's stdin and stdout, which it never is here.
    pub(crate) fn into_stdio(self) -> io::Result<(Option<Stdio>, Option<Stdio>)> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "on Windows a pipe is not given away"))
    }

    /// What ends the connection later, whoever has it by then: that is ourselves, whatever COMMAND is told.
    pub(crate) fn cutter(&self) -> io::Result<Cutter> {
        Ok(Cutter)
    }

    /// The connection for a thread that has many.
    ///
    /// # Errors
    /// `Unsupported` for handles of our parent's.
    pub(crate) fn into_link(self) -> io::Result<Link> {
        match self {
            Stream::Pipe(pipe) => Ok(Link::new(pipe)),
            Stream::Handles { .. } => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "a handle cannot tell its clients apart"))
            }
        }
    }

    /// The ends that bytes move through, and what is known of the connection as a whole.
    pub(crate) fn into_ends(self) -> (Option<Source>, Option<Sink>, Connection) {
        match self {
            Stream::Pipe(pipe) => {
                let (way, kind, pipe) = (pipe.way, pipe.kind, Arc::new(pipe));
                let source = (way != Some(OneWay::Out)).then(|| Source::pipe(Arc::clone(&pipe), kind));
                let sink = (way != Some(OneWay::In)).then(|| Sink::pipe(Arc::clone(&pipe), kind));
                (source, sink, Connection(Some(pipe)))
            }
            Stream::Handles { receive, send } => (receive.map(Source::owned), send.map(Sink::owned), Connection(None)),
        }
    }
}

/// Would end a connection that others have.
#[derive(Debug)]
pub(crate) struct Cutter;

impl Cutter {
    /// There are no others.
    pub(crate) fn cut(self) {}
}

/// A connection as a whole, of which the two ends each have a half.
#[derive(Debug)]
pub(crate) struct Connection(Option<Arc<Pipe>>);

impl Connection {
    /// Two ends that have nothing in common.
    pub(crate) fn none() -> Self {
        Connection(None)
    }

    /// Bytes that the peer has not taken yet: Windows says only whether there are any.
    pub(crate) fn untaken(&self) -> io::Result<usize> {
        Ok(self.0.as_ref().map_or(0, |pipe| {
            pipe.flush(false);
            usize::from(*pipe.flushing() == Flushing::UnderWay)
        }))
    }

    /// What is left unread stays there for the peer: it learns nothing else.
    pub(crate) fn leave_abruptly(&self) {}

    /// Did the peer leave without taking all? Known only of what it had not taken when we had sent all.
    pub(crate) fn take_error(&self) -> io::Result<()> {
        let Some(pipe) = &self.0 else { return Ok(()) };
        pipe.let_flush_end();
        let mut flushing = pipe.flushing();
        if *flushing != Flushing::Failed {
            return Ok(());
        }
        *flushing = Flushing::Done;
        Err(io::ErrorKind::ConnectionReset.into())
    }

    /// How long a silence of the peer means, after the end of what we send, that nothing will come: where the
    /// peer cannot be told of that end. A server that had nothing to say is not waited for by its client, and
    /// sees that one leave.
    pub(crate) fn final_silence(&self, has_sent: bool) -> Option<Duration> {
        let pipe = self.0.as_ref()?;
        (pipe.kind != Kind::ClosableBytes && (has_sent || !pipe.is_served())).then_some(SILENCE)
    }
}

/// Has the peer taken all that it was sent?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flushing {
    NotAskedFor,
    UnderWay,
    Done,
    Failed,
}

/// One end of a named pipe, overlapped.
#[derive(Debug)]
pub(crate) struct Pipe {
    handle: OwnedHandle,
    /// Is it ours? Then its server has to know as long as it is there.
    instance: Option<Arc<()>>,
    kind: Kind,
    way: Option<OneWay>,
    gone: Event,
    finished: AtomicBool,
    flushing: Mutex<Flushing>,
}

impl Pipe {
    pub(super) fn new(
        handle: OwnedHandle,
        instance: Option<Arc<()>>,
        kind: Kind,
        way: Option<OneWay>,
    ) -> io::Result<Self> {
        let flushing = Mutex::new(Flushing::NotAskedFor);
        Ok(Pipe { handle, instance, kind, way, gone: Event::new()?, finished: AtomicBool::new(false), flushing })
    }

    /// Do we serve it?
    fn is_served(&self) -> bool {
        self.instance.is_some()
    }

    /// How its calls move what they move.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Signalled once the peer has gone.
    pub(super) fn gone(&self) -> RawHandle {
        self.gone.as_raw_handle()
    }

    pub(super) fn has_gone(&self) {
        self.gone.set();
    }

    /// Tells the peer that no more comes, if the pipe can say so, and begins to wait until it has taken all.
    pub(super) fn finish(self: &Arc<Self>, kind: Kind) {
        if !self.finished.swap(true, SeqCst) {
            self.flush(kind == Kind::ClosableBytes);
        }
    }

    /// On a thread of its own: it can last for ever, and nobody waits for it when time is over.
    fn flush(self: &Arc<Self>, with_empty_message: bool) {
        let mut flushing = self.flushing();
        if *flushing != Flushing::NotAskedFor {
            return;
        }
        let pipe = Arc::clone(self);
        let started = thread::Builder::new().name("flush".into()).spawn(move || {
            let said = if with_empty_message { pipe.say_end() } else { Ok(()) };
            let flushed = said.and_then(|()| pipe.flush_now());
            *pipe.flushing() = if flushed.is_ok() { Flushing::Done } else { Flushing::Failed };
        });
        *flushing = if started.is_ok() { Flushing::UnderWay } else { Flushing::Done };
    }

    /// When the peer has gone the flush ends too, be it a moment after the read that has told us so.
    fn let_flush_end(&self) {
        let give_up = Instant::now() + MOMENT;
        while self.gone.is_set() && *self.flushing() == Flushing::UnderWay && Instant::now() < give_up {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// An empty message.
    fn say_end(&self) -> io::Result<()> {
        let (event, never) = (Event::new()?, Wake::new()?);
        let waiting = Waiting::for_sink(&never, None);
        let outcome = overlapped::write(borrowed(&self.handle), &event, &[], &waiting);
        outcome.moved.map(drop).map_err(overlapped::error)
    }

    fn flush_now(&self) -> io::Result<()> {
        // SAFETY: the handle is open. The call returns when the peer has read all, or has gone.
        let flushed = unsafe { FlushFileBuffers(self.handle.as_raw_handle()) } != 0;
        // SAFETY: reads the calling thread's own variable.
        let code = unsafe { GetLastError() };
        if flushed || !pipe::says_gone(code) { Ok(()) } else { Err(overlapped::error(code)) }
    }

    fn flushing(&self) -> std::sync::MutexGuard<'_, Flushing> {
        self.flushing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsRawHandle for Pipe {
    fn as_raw_handle(&self) -> RawHandle {
        self.handle.as_raw_handle()
    }
}
