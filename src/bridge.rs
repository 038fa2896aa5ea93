//! The bridge: two flows between this process's stdin and stdout and the pipe, and every end of data.
//!
//! Who notices an end, and who passes it on (DESIGN section 5; each line has its test in
//! tests/integration/ends.rs):
//!
//! | what ends | noticed by | then |
//! | --- | --- | --- |
//! | stdin | to the peer: `SourceEnded` | it finishes the sending half; we go on receiving |
//! | the peer sends no more | from it: `SourceEnded` | it finishes stdout; we go on sending, unless stdin is a terminal and the peer had said something: then the conversation is over |
//! | the peer reads no more | to the peer: `SinkClosed` (EPIPE) | stdin is let go; we go on receiving |
//! | the peer has gone | to the peer: `SinkClosed` (POLLHUP), then from it: `SourceEnded` | what came is written, then we leave, even if stdin still blocks |
//! | the peer left without reading all | ECONNRESET in either flow, once | what came is written, then we fail |
//! | nobody reads our stdout | from it: `SinkClosed` (POLLERR) | the session is over at once; a COMMAND may go on talking |
//! | time: `-q`, `-i` | the bridge, waiting for its flows | the wake signal ends them |
//! | stdin, and the peer cannot be told (Windows' pipes) | the bridge: the peer has taken all, and is silent for a second | the session is over |
//!
//! Deadlines are kept here and not in the pump: "no byte either way" and "so long after the other
//! direction's end" are facts that neither flow knows alone.

use std::io;
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use conduct::Conduct;

use crate::framing::Translator;
use crate::os::{Connection, Ended, Flow, OneWay, Show, Sink, Source, Translate, Wake, Watch, pump, share_threads};
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
    /// The peer reads no more, and so many bytes that were taken from stdin were not delivered, or (none) are there to
    /// be taken.
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

    /// Is there nothing left to be taken from the source, and nothing taken that waits?
    pub(crate) fn has_said_all(&self) -> bool {
        self.source.as_ref().is_none_or(Source::is_exhausted) && self.unsent_bytes() == 0
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
    let (to_peer_messages, from_peer_messages) = match messages {
        Some(Messages { to_peer, from_peer }) => (Some(to_peer as _), Some(from_peer as _)),
        None => (None, None),
    };
    let wake = Wake::new().map_err(Failure::Start)?;
    let mut conduct = Conduct::new(rules, seen.meter, local.kind, &connection);
    let (sent, received) = (|bytes| seen.meter.add_sent(bytes), |bytes| seen.meter.add_received(bytes));
    let to_peer = direction.sends().then_some(Flow {
        goes: OneWay::Out,
        source: &mut local.source,
        sink: &mut to_pipe,
        watch: Watch { count: &sent, show: seen.sent },
        translator: to_peer_messages,
    });
    let from_peer = direction.receives().then_some(Flow {
        goes: OneWay::In,
        source: &mut from_pipe,
        sink: &mut local.sink,
        watch: Watch { count: &received, show: seen.received },
        translator: from_peer_messages,
    });
    let flows = to_peer.into_iter().chain(from_peer).collect();
    let lost = Mutex::new(None);
    let (tell, hear) = channel();
    let at_end = |flow: Flow<'_>, ended: Ended| {
        let goes = flow.goes;
        if goes == OneWay::Out {
            *lost.lock().unwrap_or_else(PoisonError::into_inner) = loss(&flow, &ended);
        }
        pass_on(flow, &ended, rules);
        // Nobody listens any more when the session was over first.
        let _ = tell.send((goes, ended));
    };
    let session = thread::scope(|scope| {
        for flows in share_threads(flows) {
            let started = thread::Builder::new().spawn_scoped(scope, || pump(flows, &wake, &at_end));
            if let Err(error) = started {
                wake.give();
                return Err(Failure::Start(error));
            }
        }
        let session = conduct.until_over(direction, &hear);
        wake.give();
        session
    });
    let lost = lost.into_inner().unwrap_or_else(PoisonError::into_inner);
    if session.is_err() {
        // What the peer sent may not have arrived where it should: it has to learn that.
        connection.leave_abruptly();
    }
    // Leave before anything is said about it.
    drop((from_pipe, to_pipe, connection));
    match (session?, lost) {
        (Session::Over | Session::QuitAfter, Some(bytes)) if !rules.keep_open && !rules.forgives_loss => {
            Err(Failure::Undelivered(bytes))
        }
        (session, _) => Ok(session),
    }
}

/// What failed where bytes go one way, without a bridge.
#[derive(Debug)]
pub(crate) enum CarryFailure {
    /// The source could not be read.
    Read(io::Error),
    /// The sink could not be written to.
    Write(io::Error),
    /// The peer left without reading all it was sent.
    Undelivered,
}

/// Moves all bytes from `source` to `sink`, and ends both: a sink that is closed is no failure.
pub(crate) fn carry(source: Source, sink: Sink) -> Result<(), CarryFailure> {
    carry_what_is_wanted(source, sink).map(drop)
}

/// The same to a peer, which is to take all of it.
pub(crate) fn carry_to_peer(source: Source, sink: Sink, connection: &Connection) -> Result<(), CarryFailure> {
    match carry_what_is_wanted(source, sink)? {
        Some(0) if connection.take_error().is_ok() && matches!(connection.untaken(), Ok(0)) => Ok(()),
        Some(_) => Err(CarryFailure::Undelivered),
        None => match conduct::until_taken(connection, || None) {
            Err(Failure::Send(error)) => Err(CarryFailure::Write(error)),
            Err(_) => Err(CarryFailure::Undelivered),
            Ok(_) => Ok(()),
        },
    }
}

/// How many bytes were taken and not wanted any more, if the sink was closed first?
fn carry_what_is_wanted(source: Source, sink: Sink) -> Result<Option<usize>, CarryFailure> {
    let wake = Wake::new().map_err(CarryFailure::Read)?;
    let (mut source, mut sink) = (Some(source), Some(sink));
    let watch = Watch { count: &|_| {}, show: None };
    let flow = Flow { goes: OneWay::Out, source: &mut source, sink: &mut sink, watch, translator: None };
    let (tell, hear) = channel();
    pump(vec![flow], &wake, &|_, ended| drop(tell.send(ended)));
    let lost = source.as_ref().map_or(0, |source| source.undelivered().len());
    source.into_iter().for_each(Source::close);
    sink.into_iter().for_each(Sink::finish);
    match hear.recv().unwrap_or(Ended::Woken) {
        Ended::ReadFailed(error) => Err(CarryFailure::Read(error)),
        Ended::WriteFailed(error) => Err(CarryFailure::Write(error)),
        Ended::SinkClosed => Ok(Some(lost)),
        Ended::SourceEnded | Ended::Woken | Ended::Enough | Ended::Malformed(_) => Ok(None),
    }
}

/// Tells the other side of a flow that it has ended.
fn pass_on(flow: Flow<'_>, ended: &Ended, rules: &Rules) {
    let Flow { source, sink, .. } = flow;
    let finish = |sink: &mut Option<Sink>| sink.take().into_iter().for_each(Sink::finish);
    let close = |source: &mut Option<Source>| source.take().into_iter().for_each(Source::close);
    match (flow.goes, ended) {
        (OneWay::Out, Ended::SourceEnded) if rules.finish == Finish::Auto => finish(sink),
        (OneWay::Out, Ended::SinkClosed) if !rules.keep_open => close(source),
        (OneWay::In, Ended::SourceEnded | Ended::Enough) if !rules.keep_open => finish(sink),
        (OneWay::In, Ended::SinkClosed) => close(source),
        _ => {}
    }
}

/// How many bytes were taken and have not arrived, if it is a loss. It is one too if none were, and a peer that reads no
/// more could have had some: whether we had come to take them is chance.
fn loss(flow: &Flow<'_>, ended: &Ended) -> Option<usize> {
    let taken = flow.source.as_ref().map_or(0, |source| source.undelivered().len())
        + flow.translator.as_ref().map_or(0, |translator| translator.undelivered());
    let has_more = || flow.source.as_ref().is_some_and(Source::has_more);
    (taken > 0 || matches!(ended, Ended::SinkClosed) && has_more()).then_some(taken)
}
