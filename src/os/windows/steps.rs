//! One step at a time, for conversations in which a side says something and waits for the answer, no longer than
//! it has patience.

use std::time::{Duration, Instant};

use super::pump::Waiting;
use super::sink::Sink;
use super::source::Source;
use super::wake::Wake;
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
    if !source.undelivered().is_empty() {
        return Ok(());
    }
    let (wake, deadline) = (Wake::new().map_err(Stopped::Failed)?, in_time(patience));
    if !source.has_ended() {
        let waiting = Waiting::for_sink(&wake, watched).no_longer_than(deadline);
        source.fill(&waiting).map_err(|ended| stopped(ended, deadline))?;
    }
    if source.has_ended() { Err(Stopped::Ended) } else { Ok(()) }
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
    let wake = Wake::new().map_err(Stopped::Failed)?;
    loop {
        let deadline = in_time(patience);
        let waiting = Waiting::for_sink(&wake, Some(sink)).no_longer_than(deadline);
        let written = sink.write(bytes, &waiting).map_err(|ended| stopped(ended, deadline))?;
        count(written);
        bytes = &bytes[written..];
        if bytes.is_empty() {
            return Ok(());
        }
    }
}

fn stopped(ended: Ended, deadline: Option<Instant>) -> Stopped {
    match ended {
        // That is how a wait ends whose time is over.
        Ended::SourceEnded if deadline.is_some_and(|deadline| deadline <= Instant::now()) => Stopped::TimedOut,
        Ended::SinkClosed => Stopped::Closed,
        Ended::ReadFailed(error) | Ended::WriteFailed(error) => Stopped::Failed(error),
        Ended::SourceEnded | Ended::Woken | Ended::Enough | Ended::Malformed(_) => Stopped::Ended,
    }
}
