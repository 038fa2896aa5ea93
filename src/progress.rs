//! What has moved: a counter that the pumps feed, and the lines made of it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use indicatif::BinaryBytes;

/// Counts the bytes of one connection, both ways. Feeding it costs a look at the clock.
#[derive(Debug)]
pub(crate) struct Meter {
    started: Instant,
    sent: AtomicU64,
    received: AtomicU64,
    /// Nanoseconds from the start to the last byte that moved.
    last_moved: AtomicU64,
}

impl Meter {
    /// Starts counting: idle time too is counted from here on.
    pub(crate) fn start() -> Self {
        Meter { started: Instant::now(), sent: 0.into(), received: 0.into(), last_moved: 0.into() }
    }

    pub(crate) fn add_sent(&self, bytes: usize) {
        self.add(&self.sent, bytes);
    }

    pub(crate) fn add_received(&self, bytes: usize) {
        self.add(&self.received, bytes);
    }

    fn add(&self, counter: &AtomicU64, bytes: usize) {
        counter.fetch_add(bytes as u64, Relaxed);
        let elapsed = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.last_moved.fetch_max(elapsed, Relaxed);
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// When the last byte moved either way; the start before any did.
    pub(crate) fn last_moved(&self) -> Instant {
        self.started + Duration::from_nanos(self.last_moved.load(Relaxed))
    }
}

/// One summary line, for people.
impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sent, received) = (self.sent.load(Relaxed), self.received());
        let seconds = self.started.elapsed().as_secs_f64();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate for people"
        )]
        let rate = ((sent + received) as f64 / seconds.max(1e-9)) as u64;
        write!(
            f,
            "sent {}, received {} in {seconds:.3} s, {}/s",
            BinaryBytes(sent),
            BinaryBytes(received),
            BinaryBytes(rate)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_are_counted_and_the_last_move_is_remembered() {
        let meter = Meter::start();
        assert_eq!(meter.last_moved(), meter.started);
        meter.add_sent(3 << 20);
        meter.add_received(5);
        assert!(meter.last_moved() > meter.started);
        let line = meter.to_string();
        assert!(line.starts_with("sent 3.00 MiB, received 5 B in 0.0"), "{line}");
    }
}
