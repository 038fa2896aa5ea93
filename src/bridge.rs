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
//! | stdin, and the peer cannot be told (Windows' pipes) | the bridge: the peer has taken all, and is silent for a second | the session is over |
//!
//! Deadlines are kept here and not in the pumps: "no byte either way" and "so long after the other
//! direction's end" are facts that neither pump knows alone.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use conduct::{Conduct, Way};

use crate::framing::Translator;
use crate::os::{Ended, Show, Sink, Source, Translate, Wake, Watch, pump, pump_messages};
use crate::pipe::PipeEnds;
use crate::progress::Meter;

mod conduct;

/// What the user decided about one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) finish: Finish,
    /// Leave when no byte has moved for this long.
    pub(crate) idle_timeout: Option<Duration>,
    /// Leave this long after stdin ended or the peer finished; taken bytes that are lost by it are a failure.
    pub(crate) quit_after: Option<Duration>,
    /// Leave this long after the connection, whatever happens.
    pub(crate) time_limit: Option<Duration>,
    /// Is the peer's end waited for, though it may not be able to learn of ours? Else a silence is one.
    pub(crate) patient: bool,
    /// Will stdin and stdout be used for another connection?
    pub(crate) keep_open: bool,
    /// May the other side end without reading all?
    pub(crate) forgives_loss: bool,
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
    /// The time that one client has is over.
    TimeOver,
}

/// What failed in a session.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No thread or no file descriptor to begin with.
    Start(io::Error),
    /// stdin could not be read.
    Stdin(io::Error),
    /// stdout could not be written to.
    Stdout(io::Error),
    /// The peer could not be sent to.
    Send(io::Error),
    /// The peer could not be received from.
    Receive(io::Error),
    /// What came from stdin or from the peer is no message, or cannot be one on the other side.
    Malformed(String),
    /// The peer left without reading all it was sent, or never took us on.
    Reset,
    /// The peer reads no more, and so many bytes that were taken from stdin were not delivered.
    Undelivered(usize),
}

/// What is on our side of a bridge: where bytes for the peer come from, and where the peer's go. Either
/// is missing once it has been closed.
#[derive(Debug)]
pub(crate) struct Local {
    /// Keeps what it took and could not deliver for the next client.
    pub(crate) source: Option<Source>,
    pub(crate) sink: Option<Sink>,
    pub(crate) kind: LocalKind,
    /// Messages, and the beginning of one, that were taken from the source and wait for the next client.
    pub(crate) unsent: Option<Translator>,
}

impl Local {
    /// How many bytes of messages were taken and wait.
    pub(crate) fn unsent_bytes(&self) -> usize {
        self.unsent.as_ref().map_or(0, Translator::undelivered)
    }

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
    pub(crate) sent: Option<&'a Show<'a>>,
    /// Is shown what was received.
    pub(crate) received: Option<&'a Show<'a>>,
}

/// What makes messages of the bytes, one for each way.
pub(crate) struct Messages<'a> {
    pub(crate) to_peer: &'a mut dyn Translate,
    pub(crate) from_peer: &'a mut dyn Translate,
}

/// Moves bytes, or messages, both ways until the session is over, and leaves.
pub(crate) fn bridge(
    local: &mut Local,
    pipe: PipeEnds,
    rules: &Rules,
    seen: &Observer<'_>,
    messages: Option<Messages<'_>>,
) -> Result<Session, Failure> {
    let PipeEnds { source: mut from_pipe, sink: mut to_pipe, connection, direction, .. } = pipe;
    let (mut to_peer_messages, mut from_peer_messages) = messages.map(|both| (both.to_peer, both.from_peer)).unzip();
    let wake = Wake::new().map_err(Failure::Start)?;
    let (tell, hear) = channel();
    let mut conduct = Conduct::new(rules, seen.meter, local.kind, &connection);
    let (session, lost) = thread::scope(|scope| {
        let mut sending = None;
        if direction.sends() {
            let (source, sink, tell, wake) = (&mut local.source, &mut to_pipe, tell.clone(), &wake);
            let count = |bytes| seen.meter.add_sent(bytes);
            let translator = &mut to_peer_messages;
            let to_peer = move || {
                let watch = Watch { count: &count, show: seen.sent };
                let ended = run(source, sink, wake, watch, translator);
                let lost = source.as_ref().map_or(0, |source| source.undelivered().len())
                    + translator.as_ref().map_or(0, |translator| translator.undelivered());
                pass_on_end_of_stdin(&ended, source, sink, rules);
                report(&tell, Way::ToPeer, ended);
                lost
            };
            match thread::Builder::new().spawn_scoped(scope, to_peer) {
                Ok(started) => sending = Some(started),
                Err(error) => return (Err(Failure::Start(error)), 0),
            }
        }
        if direction.receives() {
            let (source, sink, tell, wake) = (&mut from_pipe, &mut local.sink, tell.clone(), &wake);
            let count = |bytes| seen.meter.add_received(bytes);
            let translator = &mut from_peer_messages;
            let from_peer = move || {
                let watch = Watch { count: &count, show: seen.received };
                let ended = run(source, sink, wake, watch, translator);
                pass_on_end_of_peer(&ended, source, sink, rules);
                report(&tell, Way::FromPeer, ended);
            };
            if let Err(error) = thread::Builder::new().spawn_scoped(scope, from_peer) {
                wake.give();
                return (Err(Failure::Start(error)), 0);
            }
        }
        let session = conduct.until_over(direction, &hear);
        wake.give();
        (session, sending.and_then(|sending| sending.join().ok()).unwrap_or(0))
    });
    if session.is_err() {
        // What the peer sent may not have arrived where it should: it has to learn that.
        connection.leave_abruptly();
    }
    // Leave before anything is said about it.
    drop((from_pipe, to_pipe, connection));
    match session? {
        Session::Over | Session::QuitAfter if lost > 0 && !rules.keep_open && !rules.forgives_loss => {
            Err(Failure::Undelivered(lost))
        }
        session => Ok(session),
    }
}

/// What failed where bytes go one way, without a bridge.
#[derive(Debug)]
pub(crate) enum CarryFailure {
    /// The source could not be read.
    Read(io::Error),
    /// The sink could not be written to.
    Write(io::Error),
}

/// Moves all bytes from `source` to `sink`, and ends both: a sink that is closed is no failure.
pub(crate) fn carry(mut source: Source, mut sink: Sink) -> Result<(), CarryFailure> {
    let wake = Wake::new().map_err(CarryFailure::Read)?;
    let ended = pump(&mut source, &mut sink, &wake, Watch { count: &|_| {}, show: None });
    source.close();
    sink.finish();
    match ended {
        Ended::ReadFailed(error) => Err(CarryFailure::Read(error)),
        Ended::WriteFailed(error) => Err(CarryFailure::Write(error)),
        Ended::SourceEnded | Ended::SinkClosed | Ended::Woken | Ended::Enough | Ended::Malformed(_) => Ok(()),
    }
}

/// An end that is missing has ended.
fn run(
    source: &mut Option<Source>,
    sink: &mut Option<Sink>,
    wake: &Wake,
    watch: Watch<'_>,
    translator: &mut Option<&mut dyn Translate>,
) -> Ended {
    match (source, sink) {
        (Some(source), Some(sink)) => match translator {
            Some(translator) => pump_messages(source, sink, wake, watch, *translator),
            None => pump(source, sink, wake, watch),
        },
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
        Ended::SourceEnded | Ended::Enough if !rules.keep_open => stdout.take().into_iter().for_each(Sink::finish),
        Ended::SinkClosed => pipe.take().into_iter().for_each(Source::close),
        _ => {}
    }
}
