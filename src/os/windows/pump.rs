//! The heart: moving bytes from a source to a sink until something ends it.
//!
//! No thread sleeps in a read or a write that nothing can end: an overlapped call is waited for together
//! with the wake signal, and what cannot be overlapped is done by a thread that may be left alone. Deadlines
//! are the bridge's: they concern both directions at once, and it gives the wake signal when one is over.
//!
//! A sink is watched even while nothing comes. Windows signals nothing when the reader of a pipe has gone, so
//! it is looked at now and then.

use std::convert::Infallible;
use std::os::windows::io::{AsRawHandle, RawHandle};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pipe;
use super::sink::Sink;
use super::source::Source;
use super::stream::Pipe;
use super::wake::{Wake, wait};
use crate::os::{AtEnd, Ended, Flow, Translate, Watch};

/// How often we look whether anybody reads there: a person does not notice, and it costs next to nothing.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What may come before what is waited for.
#[derive(Clone, Debug)]
pub(super) struct Waiting<'a> {
    wake: &'a Wake,
    /// Looked at again and again: has its reader gone?
    looked_at: Option<RawHandle>,
    /// Its reading half notices first that the peer has gone.
    connection: Option<Arc<Pipe>>,
    sink_over: Option<Arc<Wake>>,
    source_over: Option<Arc<Wake>>,
    deadline: Option<Instant>,
}

impl<'a> Waiting<'a> {
    /// Nothing but the wake signal, and that nobody reads from `sink`.
    pub(super) fn for_sink(wake: &'a Wake, sink: Option<&Sink>) -> Self {
        Waiting {
            wake,
            looked_at: sink.and_then(Sink::looked_at),
            connection: sink.and_then(Sink::connection),
            sink_over: sink.and_then(Sink::over),
            source_over: None,
            deadline: None,
        }
    }

    fn for_data(wake: &'a Wake, source: &Source, sink: &Sink) -> Self {
        Waiting { source_over: source.over(), ..Waiting::for_sink(wake, Some(sink)) }
    }

    /// And no longer than until `deadline`.
    pub(super) fn no_longer_than(self, deadline: Option<Instant>) -> Self {
        Waiting { deadline, ..self }
    }

    /// And without a look at the sink: a call on a handle that waits keeps others waiting, a look too.
    pub(super) fn without_a_look(&self) -> Self {
        Waiting { looked_at: None, ..self.clone() }
    }

    /// Waits for `event`, unless something else comes first. What could not be delivered is not to be taken:
    /// so the sink's end comes before the event, and the source's behind it.
    pub(super) fn until(&self, event: RawHandle) -> Result<(), Ended> {
        let signals = [
            Some((self.wake.as_raw_handle(), Signal::Wake)),
            self.connection.as_ref().map(|pipe| (pipe.gone(), Signal::SinkClosed)),
            self.sink_over.as_ref().map(|over| (over.as_raw_handle(), Signal::SinkClosed)),
            Some((event, Signal::Event)),
            self.source_over.as_ref().map(|over| (over.as_raw_handle(), Signal::SourceEnded)),
        ];
        let (handles, meanings): (Vec<RawHandle>, Vec<Signal>) = signals.into_iter().flatten().unzip();
        loop {
            let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let pause = self.looked_at.map(|_| LOOK_EVERY).into_iter().chain(left).min();
            match wait(&handles, pause).map_err(Ended::ReadFailed)?.and_then(|first| meanings.get(first)) {
                Some(Signal::Event) => return Ok(()),
                Some(Signal::Wake) => return Err(Ended::Woken),
                Some(Signal::SinkClosed) => return Err(Ended::SinkClosed),
                Some(Signal::SourceEnded) => return Err(Ended::SourceEnded),
                None if self.is_abandoned() => return Err(Ended::SinkClosed),
                // The time is over.
                None if left.is_some_and(|left| left.is_zero()) => return Err(Ended::SourceEnded),
                None => {}
            }
        }
    }

    /// Has anything of it come already?
    pub(super) fn look(&self) -> Result<(), Ended> {
        let now = [self.wake.as_raw_handle()];
        if wait(&now, Some(Duration::ZERO)).map_err(Ended::ReadFailed)?.is_some() {
            return Err(Ended::Woken);
        }
        if self.is_abandoned() {
            return Err(Ended::SinkClosed);
        }
        let is_over = self.deadline.is_some_and(|deadline| deadline <= Instant::now());
        if is_over { Err(Ended::SourceEnded) } else { Ok(()) }
    }

    fn is_abandoned(&self) -> bool {
        self.looked_at.is_some_and(pipe::is_abandoned)
    }
}

/// What a handle says.
#[derive(Clone, Copy, Debug)]
enum Signal {
    Wake,
    SinkClosed,
    Event,
    SourceEnded,
}

/// Which of `flows` can be moved by one thread: none with another.
pub(crate) fn share_threads(flows: Vec<Flow<'_>>) -> Vec<Vec<Flow<'_>>> {
    flows.into_iter().map(|flow| vec![flow]).collect()
}

/// Moves what there is along one flow after the other until it has ended, by itself or by `wake`: then it is given back.
pub(crate) fn pump(flows: Vec<Flow<'_>>, wake: &Wake, at_end: &AtEnd<'_>) {
    for mut flow in flows {
        let ended = move_one(&mut flow, wake);
        at_end(flow, ended);
    }
}

fn move_one(flow: &mut Flow<'_>, wake: &Wake) -> Ended {
    let Some(source) = flow.source else { return Ended::SourceEnded };
    let Some(sink) = flow.sink else { return Ended::SinkClosed };
    let Err(ended) = match &mut flow.translator {
        Some(translator) => translate_all(source, sink, wake, flow.watch, *translator),
        None => move_all(source, sink, wake, flow.watch),
    };
    ended
}

fn move_all(source: &mut Source, sink: &mut Sink, wake: &Wake, watch: Watch<'_>) -> Result<Infallible, Ended> {
    loop {
        deliver(source, sink, wake, watch)?;
        if source.has_ended() {
            return Err(Ended::SourceEnded);
        }
        source.fill(&Waiting::for_data(wake, source, sink))?;
    }
}

fn translate_all(
    source: &mut Source,
    sink: &mut Sink,
    wake: &Wake,
    watch: Watch<'_>,
    translator: &mut dyn Translate,
) -> Result<Infallible, Ended> {
    source.limit_messages(translator.largest());
    let resumed = translator.resume();
    deliver_messages(translator, sink, wake, watch)?;
    resumed.map_err(Ended::Malformed)?;
    loop {
        deliver_messages(translator, sink, wake, watch)?;
        if translator.has_enough() {
            return Err(Ended::Enough);
        }
        let is_over = match source.fill(&Waiting::for_data(wake, source, sink)) {
            Err(Ended::SourceEnded) => true,
            filled => filled.map(|()| source.has_ended())?,
        };
        let taken = source.undelivered();
        let translated = if is_over { translator.finish() } else { translator.push(taken) };
        source.delivered(source.undelivered().len());
        deliver_messages(translator, sink, wake, watch)?;
        translated.map_err(Ended::Malformed)?;
        if is_over {
            return Err(if translator.has_enough() { Ended::Enough } else { Ended::SourceEnded });
        }
    }
}

fn deliver_messages(
    translator: &mut dyn Translate,
    sink: &mut Sink,
    wake: &Wake,
    watch: Watch<'_>,
) -> Result<(), Ended> {
    let waiting = Waiting::for_sink(wake, Some(sink));
    while let Some(bytes) = translator.pending() {
        let count = sink.write(bytes, &waiting)?;
        translator.delivered(count);
        (watch.count)(count);
    }
    Ok(())
}

/// Hands over all that was taken from the source.
fn deliver(source: &mut Source, sink: &mut Sink, wake: &Wake, watch: Watch<'_>) -> Result<(), Ended> {
    let waiting = Waiting::for_sink(wake, Some(sink));
    while !source.undelivered().is_empty() {
        let count = sink.write(source.undelivered(), &waiting)?;
        if let Some(show) = watch.show {
            show(&source.undelivered()[..count]);
        }
        source.delivered(count);
        (watch.count)(count);
    }
    Ok(())
}
