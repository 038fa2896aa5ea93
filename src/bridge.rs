//! The bridge: two pumps between this process's stdin and stdout and the pipe, and every end of data.
//!
//! Who notices an end, and who passes it on (DESIGN section 5; each line has its test in
//! tests/integration/ends.rs):
//!
//! | what ends | noticed by | then |
//! | --- | --- | --- |
//! | stdin | `to_peer`: `SourceEnded` | it finishes the sending half; we go on receiving |
//! | the peer sends no more | `from_peer`: `SourceEnded` | it finishes stdout; we go on sending, unless stdin is a terminal and the peer had said something: then the conversation is over |
//! | the peer reads no more | `to_peer`: `SinkClosed` (EPIPE) | stdin is let go; we go on receiving |
//! | the peer has gone | `to_peer`: `SinkClosed` (POLLHUP), then `from_peer`: `SourceEnded` | what came is written, then we leave, even if stdin still blocks |
//! | the peer left without reading all | ECONNRESET in either pump, once | what came is written, then we fail |
//! | nobody reads our stdout | `from_peer`: `SinkClosed` (POLLERR) | the session is over at once; a COMMAND may go on talking |
//! | time: `-q`, `-i` | the bridge, waiting for its pumps | the wake signal ends them |
//!
//! Deadlines are kept here and not in the pumps: "no byte either way" and "so long after the other
//! direction's end" are facts that neither pump knows alone.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::os::{Connection, Ended, Sink, Source, Wake, Watch, pump};
use crate::pipe::{Direction, PipeStream};
use crate::progress::Meter;

/// What the user decided about one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) finish: Finish,
    /// Leave when no byte has moved for this long.
    pub(crate) idle_timeout: Option<Duration>,
    /// Leave this long after stdin ended or the peer finished.
    pub(crate) quit_after: Option<Duration>,
    /// Will stdin and stdout be used for another connection?
    pub(crate) keep_open: bool,
}

/// Are ends of data passed on to the peer?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// As they come: stdin's end, and at once the half that the direction has no use for.
    Auto,
    /// No: for servers that drop a client which half-closes.
    Never,
}

/// How a session ended, where nothing failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Session {
    /// Both sides are done, or gone.
    Over,
    /// `--quit-after` was over.
    QuitAfter,
    /// Nobody reads our stdout any more.
    StdoutClosed,
    /// Nothing moved for as long as `--idle-timeout` allows.
    Idle,
}

/// What failed in a session.
#[derive(Debug)]
pub(crate) enum Failure {
    /// stdin could not be read.
    Stdin(io::Error),
    /// stdout could not be written to.
    Stdout(io::Error),
    /// The peer could not be sent to.
    Send(io::Error),
    /// The peer could not be received from.
    Receive(io::Error),
    /// The peer left without reading all it was sent, or never took us on.
    Reset,
    /// The peer reads no more, and so many bytes that were taken from stdin were not delivered.
    Undelivered(usize),
}

/// The two directions.
#[derive(Clone, Copy, Debug)]
enum Way {
    ToPeer,
    FromPeer,
}

/// What is on our side of a bridge: where bytes for the peer come from, and where the peer's go. Either
/// is missing once it has been closed.
#[derive(Debug)]
pub(crate) struct Local {
    /// Keeps what it took and could not deliver for the next client.
    pub(crate) source: Option<Source>,
    pub(crate) sink: Option<Sink>,
    pub(crate) kind: LocalKind,
}

impl Local {
    /// How many bytes there are to send, where that is known.
    pub(crate) fn length(&self) -> Option<u64> {
        self.source.as_ref().and_then(Source::length)
    }
}

/// Who is on our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LocalKind {
    /// stdin and stdout.
    Filter,
    /// stdin and stdout, and a person types.
    Terminal,
    /// A program, which may go on talking when it does not listen any more.
    Command,
}

/// Who looks on while bytes move.
#[derive(Clone, Copy)]
pub(crate) struct Observer<'a> {
    pub(crate) meter: &'a Meter,
    /// Is shown what was sent.
    pub(crate) sent: Option<&'a (dyn Fn(&[u8]) + Sync)>,
    /// Is shown what was received.
    pub(crate) received: Option<&'a (dyn Fn(&[u8]) + Sync)>,
}

/// Moves bytes both ways until the session is over, and leaves.
pub(crate) fn bridge(
    local: &mut Local,
    pipe: PipeStream,
    rules: &Rules,
    seen: &Observer<'_>,
) -> Result<Session, Failure> {
    let meter = seen.meter;
    if rules.finish == Finish::Auto {
        pipe.end_unused_half();
    }
    let direction = pipe.direction;
    let (mut from_pipe, mut to_pipe, connection) = pipe.into_ends();
    let wake = Wake::new().map_err(Failure::Receive)?;
    let (tell, hear) = channel();
    let mut conduct = Conduct::new(rules, meter, local.kind);
    let (session, lost) = thread::scope(|scope| {
        let sending = direction.sends().then(|| {
            let (source, sink, tell, wake) = (&mut local.source, &mut to_pipe, tell.clone(), &wake);
            conduct.running += 1;
            scope.spawn(move || {
                let ended = run(
                    source,
                    sink,
                    wake,
                    Watch { count: &|bytes| meter.add_sent(bytes), show: seen.sent.map(|show| show as _) },
                );
                let undelivered = source.as_ref().map_or(0, |source| source.undelivered().len());
                pass_on_end_of_stdin(&ended, source, sink, rules);
                report(&tell, Way::ToPeer, ended);
                undelivered
            })
        });
        if direction.receives() {
            let (source, sink, wake) = (&mut from_pipe, &mut local.sink, &wake);
            conduct.running += 1;
            scope.spawn(move || {
                let ended = run(
                    source,
                    sink,
                    wake,
                    Watch { count: &|bytes| meter.add_received(bytes), show: seen.received.map(|show| show as _) },
                );
                pass_on_end_of_peer(&ended, source, sink, rules);
                report(&tell, Way::FromPeer, ended);
            });
        }
        let session = conduct.until_over(&hear).and_then(|session| match direction {
            Direction::Out if session == Session::Over => conduct.until_taken(&connection),
            _ => Ok(session),
        });
        wake.give();
        (session, sending.and_then(|sending| sending.join().ok()).unwrap_or(0))
    });
    // Leave before anything is said about it.
    drop((from_pipe, to_pipe, connection));
    match session? {
        Session::Over if lost > 0 && !rules.keep_open => Err(Failure::Undelivered(lost)),
        session => Ok(session),
    }
}

/// An end that is missing has ended.
fn run(source: &mut Option<Source>, sink: &mut Option<Sink>, wake: &Wake, watch: Watch<'_>) -> Ended {
    match (source, sink) {
        (Some(source), Some(sink)) => pump(source, sink, wake, watch),
        (None, _) => Ended::SourceEnded,
        (_, None) => Ended::SinkClosed,
    }
}

fn report(tell: &Sender<(Way, Ended)>, way: Way, ended: Ended) {
    // Nobody listens any more when the session was over first.
    let _ = tell.send((way, ended));
}

fn pass_on_end_of_stdin(ended: &Ended, stdin: &mut Option<Source>, pipe: &mut Option<Sink>, rules: &Rules) {
    match ended {
        Ended::SourceEnded if rules.finish == Finish::Auto => pipe.take().into_iter().for_each(Sink::finish),
        Ended::SinkClosed if !rules.keep_open => stdin.take().into_iter().for_each(Source::close),
        _ => {}
    }
}

fn pass_on_end_of_peer(ended: &Ended, pipe: &mut Option<Source>, stdout: &mut Option<Sink>, rules: &Rules) {
    match ended {
        Ended::SourceEnded if !rules.keep_open => stdout.take().into_iter().for_each(Sink::finish),
        Ended::SinkClosed => pipe.take().into_iter().for_each(Source::close),
        _ => {}
    }
}

/// Waits for the pumps to end, and decides what that means.
struct Conduct<'a> {
    rules: &'a Rules,
    meter: &'a Meter,
    local: LocalKind,
    /// Pumps that still run.
    running: usize,
    quit_at: Option<Instant>,
    was_reset: bool,
}

impl<'a> Conduct<'a> {
    fn new(rules: &'a Rules, meter: &'a Meter, local: LocalKind) -> Self {
        Conduct { rules, meter, local, running: 0, quit_at: None, was_reset: false }
    }

    fn until_over(&mut self, hear: &Receiver<(Way, Ended)>) -> Result<Session, Failure> {
        while self.running > 0 {
            let session = match self.next_end(hear) {
                Ok((way, ended)) => self.ended(way, ended)?,
                Err(RecvTimeoutError::Timeout) => self.time_is_over(),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if let Some(session) = session {
                return Ok(session);
            }
        }
        if self.was_reset { Err(Failure::Reset) } else { Ok(Session::Over) }
    }

    /// With direction out the peer's end cannot be seen: then we are done when it has taken all, or gone.
    fn until_taken(&mut self, connection: &Connection) -> Result<Session, Failure> {
        let mut pause = Duration::from_millis(1);
        loop {
            connection.take_error().map_err(as_send_failure)?;
            if connection.untaken().map_err(Failure::Send)? == 0 {
                // It may have left without reading in between.
                connection.take_error().map_err(as_send_failure)?;
                return Ok(Session::Over);
            }
            if let Some(time_is_over) = self.time_is_over() {
                return Ok(time_is_over);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(15));
        }
    }

    fn next_end(&self, hear: &Receiver<(Way, Ended)>) -> Result<(Way, Ended), RecvTimeoutError> {
        match self.quit_at.into_iter().chain(self.idle_at()).min() {
            Some(deadline) => hear.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            None => hear.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    /// A pump has ended: is the session over?
    fn ended(&mut self, way: Way, ended: Ended) -> Result<Option<Session>, Failure> {
        self.running -= 1;
        match (way, ended) {
            (Way::ToPeer, Ended::ReadFailed(error)) => return Err(Failure::Stdin(error)),
            (Way::FromPeer, Ended::WriteFailed(error)) => return Err(Failure::Stdout(error)),
            (Way::FromPeer, Ended::SinkClosed) if self.local != LocalKind::Command => {
                return Ok(Some(Session::StdoutClosed));
            }
            (Way::ToPeer, Ended::WriteFailed(error)) if is_reset(&error) => self.was_reset = true,
            (Way::FromPeer, Ended::ReadFailed(error)) if is_reset(&error) => self.was_reset = true,
            (Way::ToPeer, Ended::WriteFailed(error)) => return Err(Failure::Send(error)),
            (Way::FromPeer, Ended::ReadFailed(error)) => return Err(Failure::Receive(error)),
            (Way::FromPeer, Ended::SourceEnded) if self.local == LocalKind::Terminal && self.meter.received() > 0 => {
                return Ok(Some(Session::Over));
            }
            (_, Ended::SourceEnded | Ended::SinkClosed | Ended::Woken) => {}
        }
        if self.quit_at.is_none() {
            self.quit_at = self.rules.quit_after.and_then(|after| Instant::now().checked_add(after));
        }
        Ok(None)
    }

    fn time_is_over(&self) -> Option<Session> {
        let is_over = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
        if is_over(self.quit_at) {
            return Some(Session::QuitAfter);
        }
        is_over(self.idle_at()).then_some(Session::Idle)
    }

    fn idle_at(&self) -> Option<Instant> {
        self.rules.idle_timeout.and_then(|timeout| self.meter.last_moved().checked_add(timeout))
    }
}

fn is_reset(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset
}

fn as_send_failure(error: io::Error) -> Failure {
    if is_reset(&error) { Failure::Reset } else { Failure::Send(error) }
}
