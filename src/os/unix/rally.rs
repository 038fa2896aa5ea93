//! Questions and answers that follow each other fast: then to look once more is cheaper than to sleep.
//!
//! Who sleeps is woken by the other side's write, and where that is on another processor the waking alone takes some
//! 15 us (in a virtual machine). So in a rally, where small pieces have gone to and fro several times without a pause,
//! the pump looks again and again for a moment before it sleeps. Between two looks it offers the processor to whoever
//! else is ready. A round trip through a client took 62 us without this and takes 35, of which the client works 25 to
//! 35 in place of 22.
//!
//! Who types, who sends one way, who moves much, and who asks now and then never gets here. Who stops in the middle of
//! a rally has cost one such moment.

use std::time::{Duration, Instant};

use crate::os::OneWay;

/// How long the pump looks at most, and what may lie between two strokes. With 50 us a rally broke off now and then, and
/// 64 bytes there and back took 35 to 47 us in place of 27 to 35; 200 us were no better.
const MOMENT: Duration = Duration::from_micros(100);
/// More is no question.
const SMALL: usize = 4096;
/// So many strokes make a rally: a question, its answer, and once more.
const STROKES: u32 = 4;

/// Pieces that go to and fro.
#[derive(Debug)]
pub(super) struct Rally {
    /// In a row, each the return of the one before.
    strokes: u32,
    last: Option<(OneWay, Instant)>,
}

impl Rally {
    pub(super) fn new() -> Self {
        Rally { strokes: 0, last: None }
    }

    /// A piece has gone one way.
    pub(super) fn stroke(&mut self, way: OneWay, length: usize, now: Instant) {
        let is_return = length <= SMALL && self.is_recent(now) && self.last.is_some_and(|(last, _)| last != way);
        self.strokes = if is_return { self.strokes.saturating_add(1) } else { 0 };
        self.last = Some((way, now));
    }

    /// Is the next piece to be expected at any moment?
    pub(super) fn is_on(&self, now: Instant) -> bool {
        self.strokes >= STROKES && self.is_recent(now)
    }

    fn is_recent(&self, now: Instant) -> bool {
        self.last.is_some_and(|(_, at)| now.saturating_duration_since(at) <= MOMENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use OneWay::{In, Out};

    /// Is it on, right after these pieces, with such a pause before each?
    fn is_on_after(ways: &[OneWay], length: usize, pause: Duration) -> bool {
        let (mut rally, mut now) = (Rally::new(), Instant::now());
        for &way in ways {
            now += pause;
            rally.stroke(way, length, now);
        }
        rally.is_on(now)
    }

    #[test]
    fn small_pieces_by_turns_without_a_pause_are_a_rally() {
        assert!(is_on_after(&[Out, In, Out, In, Out], SMALL, MOMENT));
        assert!(!is_on_after(&[Out, In, Out, In], SMALL, MOMENT));
        assert!(!is_on_after(&[Out, In, Out, In, In], SMALL, MOMENT));
        assert!(!is_on_after(&[Out, In, Out, In, Out], SMALL + 1, MOMENT));
        assert!(!is_on_after(&[Out, In, Out, In, Out], SMALL, MOMENT + Duration::from_nanos(1)));
    }

    #[test]
    fn a_rally_is_over_when_nothing_comes_back() {
        let (mut rally, start) = (Rally::new(), Instant::now());
        for way in [Out, In, Out, In, Out] {
            rally.stroke(way, 64, start);
        }
        assert!(rally.is_on(start + MOMENT));
        assert!(!rally.is_on(start + 2 * MOMENT));
    }
}
