//! One way of bytes: what it waits for, and what it does when that is there. Nothing here waits: the pump does, for
//! all lanes at once.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::ends::enlarge;
use super::poll::{CLOSED, Watched};
use super::sink::Sink;
use super::source::Source;
use super::splice::Step;
use super::ways::Way;
use crate::os::{Ended, Flow, OneWay, Show, Translate};

/// How often a background job looks whether the terminal has become its own.
pub(super) const BACKGROUND_PAUSE: Duration = Duration::from_millis(250);

/// How often a peer whose queue is full is written to all the same: when it has stopped receiving, poll says nothing on
/// AF_UNIX, only a write tells.
pub(super) const FULL_PAUSE: Duration = Duration::from_millis(250);

/// Who moves less needs no large pipes.
const MUCH: usize = 1 << 20;

/// No file.
const NOTHING: Watched<'static> = (None, PollFlags::empty());

/// A flow on its way.
pub(super) struct Lane<'a> {
    flow: Flow<'a>,
    way: Way,
    awaits: Awaits,
    /// How it ends as soon as all is delivered that was taken.
    last: Option<Ended>,
    /// Bytes that were delivered.
    moved: usize,
    has_large_pipes: bool,
}

/// What a lane needs before it can do anything.
#[derive(Clone, Copy, Debug)]
enum Awaits {
    Data,
    Room { since: Instant },
}

impl<'a> Lane<'a> {
    pub(super) fn new(flow: Flow<'a>) -> Self {
        let way = match (&flow.source, &flow.sink) {
            // What is shown, or made into something else, has to come by here.
            (Some(source), Some(sink)) if flow.watch.show.is_none() && flow.translator.is_none() => {
                Way::between(source.as_fd(), sink.as_fd())
            }
            _ => Way::Plain,
        };
        Lane { flow, way, awaits: Awaits::Data, last: None, moved: 0, has_large_pipes: false }
    }

    /// Which of the two it is.
    pub(super) fn goes(&self) -> OneWay {
        self.flow.goes
    }

    /// How many bytes it has delivered.
    pub(super) fn moved(&self) -> usize {
        self.moved
    }

    /// Delivers what was taken for somebody else and has not arrived there. An end that is missing has ended.
    pub(super) fn begin(&mut self) -> Result<(), Ended> {
        let Flow { source: Some(source), sink, translator, .. } = &mut self.flow else {
            return Err(Ended::SourceEnded);
        };
        if sink.is_none() {
            return Err(Ended::SinkClosed);
        }
        let is_over = source.has_ended().then_some(Ended::SourceEnded);
        self.last = match translator {
            Some(translator) if translator.has_enough() => Some(Ended::Enough),
            Some(translator) => translator.resume().err().map(Ended::Malformed).or(is_over),
            None => is_over,
        };
        self.settle()
    }

    /// What may happen to it, and how long it waits for that.
    pub(super) fn watched(&self) -> ([Watched<'_>; 4], Option<Duration>) {
        let (source, sink) = (self.flow.source.as_ref(), self.flow.sink.as_ref());
        let (sink_fd, sink_over) = (sink.map(AsFd::as_fd), (sink.and_then(Sink::over), PollFlags::IN));
        match self.awaits {
            Awaits::Data => {
                // With another's terminal only the time goes by: poll without its fd.
                let for_others = source.is_some_and(Source::is_for_others);
                let data = (source.filter(|_| !for_others).map(AsFd::as_fd), PollFlags::IN);
                let source_over = (source.and_then(Source::over), PollFlags::IN);
                let files = [(sink_fd, PollFlags::empty()), sink_over, data, source_over];
                (files, for_others.then_some(BACKGROUND_PAUSE))
            }
            Awaits::Room { since } => {
                let files = [(sink_fd, PollFlags::OUT), sink_over, NOTHING, NOTHING];
                (files, self.patience().map(|patience| patience.saturating_sub(since.elapsed())))
            }
        }
    }

    /// Does what it can, now that this has happened.
    pub(super) fn go_on(&mut self, happened: [PollFlags; 4]) -> Result<(), Ended> {
        let [sink, sink_over, data, source_over] = happened;
        match self.awaits {
            _ if !sink_over.is_empty() => Err(Ended::SinkClosed),
            // Be it to fail.
            Awaits::Room { since } => {
                let is_tired = self.patience().is_some_and(|patience| since.elapsed() >= patience);
                if !sink.is_empty() || is_tired { self.step() } else { Ok(()) }
            }
            // Before anything is taken that could not be delivered.
            Awaits::Data if sink.intersects(CLOSED) => Err(Ended::SinkClosed),
            Awaits::Data if !data.is_empty() => self.step(),
            Awaits::Data if !source_over.is_empty() => self.finish(),
            Awaits::Data => Ok(()),
        }
    }

    /// Has ended: what was on its way stays with the source, for the next client, or its loss is known.
    pub(super) fn end(mut self, ended: Ended) -> (Flow<'a>, Ended) {
        let given_back = self.flow.source.as_mut().map_or(Ok(()), |source| self.way.give_back(source));
        (self.flow, given_back.err().unwrap_or(ended))
    }

    fn patience(&self) -> Option<Duration> {
        self.flow.sink.as_ref().is_some_and(Sink::is_socket).then_some(FULL_PAUSE)
    }

    /// Moves what is there, as far as there is room for it.
    fn step(&mut self) -> Result<(), Ended> {
        let Flow { source: Some(source), sink: Some(sink), watch, translator, .. } = &mut self.flow else {
            return Ok(());
        };
        let has_room = matches!(self.awaits, Awaits::Room { .. });
        let moved = &mut self.moved;
        let mut count = |bytes| {
            *moved += bytes;
            (watch.count)(bytes);
        };
        let step = if let Some(translator) = translator {
            if translator.pending().is_none() && source.take()? {
                self.last = translate(source, *translator);
            }
            deliver_messages(*translator, sink, has_room, &mut count)?
        } else {
            let is_new = source.undelivered().is_empty();
            let step = if is_new { self.way.step(source, sink, &mut count)? } else { Step::Moved };
            self.last = source.has_ended().then_some(Ended::SourceEnded);
            if step == Step::Full { step } else { deliver(source, sink, has_room, watch.show, &mut count)? }
        };
        self.rest(step)
    }

    /// The source will never have more.
    fn finish(&mut self) -> Result<(), Ended> {
        self.last = match &mut self.flow.translator {
            Some(translator) => Some(end_of_messages(*translator)),
            None => Some(Ended::SourceEnded),
        };
        self.settle()
    }

    /// Delivers what has been taken.
    fn settle(&mut self) -> Result<(), Ended> {
        let Flow { source, translator, .. } = &self.flow;
        let is_empty = match translator {
            Some(translator) => translator.pending().is_none(),
            None => source.as_ref().is_none_or(|source| source.undelivered().is_empty()),
        };
        if is_empty { self.rest(Step::Moved) } else { self.step() }
    }

    /// Waits for what it needs next, or has ended.
    fn rest(&mut self, step: Step) -> Result<(), Ended> {
        match (step, self.last.take()) {
            (Step::Full, last) => {
                self.awaits = Awaits::Room { since: Instant::now() };
                self.last = last;
            }
            (_, Some(last)) => return Err(last),
            (_, None) => self.awaits = Awaits::Data,
        }
        if self.moved >= MUCH && !self.has_large_pipes {
            self.has_large_pipes = true;
            let ends = [self.flow.source.as_ref().map(AsFd::as_fd), self.flow.sink.as_ref().map(AsFd::as_fd)];
            ends.into_iter().chain([self.way.own_pipe()]).flatten().for_each(enlarge);
        }
        Ok(())
    }
}

/// Makes messages of what was taken. How does it end, now or when those are delivered?
fn translate(source: &mut Source, translator: &mut dyn Translate) -> Option<Ended> {
    if source.has_ended() {
        return Some(end_of_messages(translator));
    }
    let pushed = translator.push(source.undelivered());
    source.delivered(source.undelivered().len());
    match pushed {
        Ok(()) => translator.has_enough().then_some(Ended::Enough),
        Err(why) => Some(Ended::Malformed(why)),
    }
}

fn end_of_messages(translator: &mut dyn Translate) -> Ended {
    match translator.finish() {
        Ok(()) if translator.has_enough() => Ended::Enough,
        Ok(()) => Ended::SourceEnded,
        Err(why) => Ended::Malformed(why),
    }
}

fn deliver_messages(
    translator: &mut dyn Translate,
    sink: &mut Sink,
    mut has_room: bool,
    count: &mut dyn FnMut(usize),
) -> Result<Step, Ended> {
    while let Some(bytes) = translator.pending() {
        let Some(written) = sink.give(bytes, &mut has_room)? else { return Ok(Step::Full) };
        translator.delivered(written);
        count(written);
    }
    Ok(Step::Moved)
}

/// Hands over all that was taken from the source.
fn deliver(
    source: &mut Source,
    sink: &mut Sink,
    mut has_room: bool,
    show: Option<&Show<'_>>,
    count: &mut dyn FnMut(usize),
) -> Result<Step, Ended> {
    while !source.undelivered().is_empty() {
        let Some(written) = sink.give(source.undelivered(), &mut has_room)? else { return Ok(Step::Full) };
        if let Some(show) = show {
            show(&source.undelivered()[..written]);
        }
        source.delivered(written);
        count(written);
    }
    Ok(Step::Moved)
}
