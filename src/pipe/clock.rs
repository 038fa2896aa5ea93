//! A wait for somebody: how long it has lasted and may yet, when there is something to say about it, and how
//! often one looks meanwhile.

use std::thread;
use std::time::{Duration, Instant};

use crate::os::Sink;

/// The pause between the first two looks.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// After this long the user is told what we wait for.
const NOTICE_AFTER: Duration = Duration::from_secs(1);

/// How long we have waited, and may yet.
pub(crate) struct Clock {
    start: Instant,
    limit: Option<Duration>,
    pause: Duration,
    told: bool,
}

impl Clock {
    /// It begins now, and is over after `limit`, if ever.
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Clock { start: Instant::now(), limit, pause: FIRST_PAUSE, told: false }
    }

    /// The same, with a first pause of `first`.
    pub(crate) fn pausing_from(self, first: Duration) -> Self {
        Clock { pause: first, ..self }
    }

    /// What is left of the limit.
    pub(crate) fn left(&self) -> Option<Duration> {
        self.limit.map(|limit| limit.saturating_sub(self.start.elapsed()))
    }

    /// Is nothing left?
    pub(crate) fn is_over(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    /// How long it is until there is something to say, if that was not said.
    pub(crate) fn until_notice(&self) -> Option<Duration> {
        (!self.told).then(|| NOTICE_AFTER.saturating_sub(self.start.elapsed()))
    }

    /// Is it time to say something? Once.
    pub(crate) fn is_due_to_say(&mut self) -> bool {
        let is_due = !self.told && self.start.elapsed() >= NOTICE_AFTER;
        self.told |= is_due;
        is_due
    }

    /// Sleeps, longer each time, for `most` at the most; that nobody reads `stdout` any more ends it: did it?
    pub(crate) fn pause(&mut self, stdout: Option<&Sink>, most: Duration) -> bool {
        let pause = self.pause.min(self.left().unwrap_or(most));
        self.pause = (self.pause * 2).min(most);
        if let Some(stdout) = stdout {
            return stdout.closes_within(pause);
        }
        thread::sleep(pause);
        false
    }
}
