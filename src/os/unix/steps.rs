//! One step at a time, for conversations in which a side says something and waits for the answer. Each waits
//! in poll alone, never in read or write, and no longer than it has patience.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::lane::{BACKGROUND_PAUSE, FULL_PAUSE};
use super::poll::{CLOSED, poll};
use super::sink::Sink;
use super::source::Source;
use crate::os::{Ended, Stopped, in_time};

/// Takes what `source` has as soon as it has something: bytes, or a message, which may be empty. What is
/// undelivered already is enough. That nobody reads from `watched` any more ends the wait.
///
/// # Errors
/// `Ended` where the source has no more, `Closed` where `watched` has no reader, `TimedOut`, `Failed`.
pub(crate) fn take_some(
    source: &mut Source,
    watched: Option<&Sink>,
    patience: Option<Duration>,
) -> Result<(), Stopped> {
    let deadline = in_time(patience);
    while source.undelivered().is_empty() {
        if source.has_ended() {
            return Err(Stopped::Ended);
        }
        wait_for_data(source, watched, deadline)?;
        if source.take().map_err(stopped)? && !source.has_ended() {
            // It may be an empty message.
            return Ok(());
        }
    }
    Ok(())
}

/// Writes all of `bytes`, each part as soon as there is room for it; `count` is told of each. Where the pipe
/// keeps messages apart, they are one, which may be empty.
///
/// # Errors
/// `Closed` where nobody reads any more, `TimedOut` where nothing could be written for so long, `Failed`.
pub(crate) fn give_all(
    sink: &mut Sink,
    mut bytes: &[u8],
    patience: Option<Duration>,
    count: &dyn Fn(usize),
) -> Result<(), Stopped> {
    let (mut deadline, mut has_room) = (in_time(patience), false);
    loop {
        let Some(written) = sink.give(bytes, &mut has_room).map_err(stopped)? else {
            wait_for_room(sink, deadline)?;
            has_room = true;
            continue;
        };
        count(written);
        bytes = &bytes[written..];
        if bytes.is_empty() {
            return Ok(());
        }
        deadline = in_time(patience);
    }
}

/// What ends a step, as ends and sources say it.
fn stopped(ended: Ended) -> Stopped {
    match ended {
        Ended::SinkClosed => Stopped::Closed,
        Ended::ReadFailed(error) | Ended::WriteFailed(error) => Stopped::Failed(error),
        Ended::SourceEnded | Ended::Enough | Ended::Malformed(_) | Ended::Woken => Stopped::Ended,
    }
}

pub(super) fn wait_for_data(source: &Source, watched: Option<&Sink>, deadline: Option<Instant>) -> Result<(), Stopped> {
    loop {
        let for_others = source.is_for_others();
        let wanted = if for_others { PollFlags::empty() } else { PollFlags::IN };
        let left = left(deadline)?;
        let pause = if for_others { Some(left.unwrap_or(BACKGROUND_PAUSE).min(BACKGROUND_PAUSE)) } else { left };
        // Without a sink to watch, the source stands in for it, and is only looked at.
        let second = watched.map_or(source.as_fd(), AsFd::as_fd);
        let [data, sink] =
            poll([(source.as_fd(), wanted), (second, PollFlags::empty())], pause).map_err(Stopped::Failed)?;
        if watched.is_some() && sink.intersects(CLOSED) {
            return Err(Stopped::Closed);
        }
        if !data.is_empty() {
            return Ok(());
        }
    }
}

/// Returns now and then all the same: to a peer with a full queue that has stopped receiving, poll says
/// nothing on AF_UNIX.
pub(super) fn wait_for_room(sink: &Sink, deadline: Option<Instant>) -> Result<(), Stopped> {
    loop {
        let left = left(deadline)?;
        let is_socket = sink.is_socket();
        let pause = if is_socket { Some(left.unwrap_or(FULL_PAUSE).min(FULL_PAUSE)) } else { left };
        let [room] = poll([(sink.as_fd(), PollFlags::OUT)], pause).map_err(Stopped::Failed)?;
        if !room.is_empty() || is_socket {
            return Ok(());
        }
    }
}

fn left(deadline: Option<Instant>) -> Result<Option<Duration>, Stopped> {
    match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
        Some(Duration::ZERO) => Err(Stopped::TimedOut),
        left => Ok(left),
    }
}
