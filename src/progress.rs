//! What has moved: a counter that the pumps feed, and what people and programs are shown of it.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use console::{Term, measure_text_width};
use indicatif::{BinaryBytes, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use crate::os;

/// What is over sooner needs no bar.
const SHOW_AFTER: Duration = Duration::from_millis(500);
/// How often the bar looks at the counter.
const REFRESH: Duration = Duration::from_millis(100);
/// How wide a bar is where no terminal says it.
const WIDTH: u16 = 80;
/// How many columns a line needs beside its names, for the figures and a bar that can be seen to move.
const BESIDE_BAR: usize = 62;

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

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// When the last byte moved either way; the start before any did.
    pub(crate) fn last_moved(&self) -> Instant {
        self.started + Duration::from_nanos(self.last_moved.load(Relaxed))
    }

    /// How long it has been counting.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// One summary line, for people.
impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed().as_secs_f64();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate for people"
        )]
        let rate = ((self.sent() + self.received()) as f64 / seconds.max(1e-9)) as u64;
        let (sent, received) = (BinaryBytes(self.sent()), BinaryBytes(self.received()));
        write!(f, "sent {sent}, received {received} in {seconds:.3} s, {}/s", BinaryBytes(rate))
    }
}

/// Is a bar wanted?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// On a terminal, unless it is over at once.
    Auto,
    /// In any case.
    Always,
    Never,
}

/// What a bar is about, as far as it is known by now.
#[derive(Debug)]
pub(crate) struct Subject {
    moving: Moving,
    about: Mutex<About>,
}

/// Which bytes a bar is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moving {
    /// Both ways; if there is a total, it is of those that are sent.
    Both,
    Sent,
    Received,
}

#[derive(Clone, Debug, Default)]
struct About {
    label: String,
    /// How many bytes there will be.
    total: Option<u64>,
}

impl Subject {
    /// It is about bytes that are `moving`, of which there will be `total`.
    pub(crate) fn new(moving: Moving, total: Option<u64>) -> Self {
        Subject { moving, about: Mutex::new(About { label: String::new(), total }) }
    }

    /// It is about `label` now, and there will be `total` bytes in all.
    pub(crate) fn is(&self, label: String, total: Option<u64>) {
        *self.about.lock().unwrap_or_else(PoisonError::into_inner) = About { label, total };
    }

    fn now(&self) -> About {
        self.about.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A bar on stderr that follows a meter until it is dropped.
#[derive(Debug)]
pub(crate) struct Bar {
    /// Dropped to end it.
    over: Option<Sender<()>>,
    drawing: Option<JoinHandle<()>>,
}

/// The bar that is to be seen, for those who want to write beside it.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

impl Bar {
    /// Follows `meter`; if `subject` says how many bytes there will be, it knows when that will be done.
    pub(crate) fn follow(meter: Arc<Meter>, subject: Arc<Subject>, when: When) -> Option<Self> {
        let wanted = when == When::Always || (when == When::Auto && io::stderr().is_terminal());
        if !wanted {
            return None;
        }
        let (over, hear) = channel();
        // Where no thread can be had there is no bar, which is no failure.
        let draws = thread::Builder::new().spawn(move || {
            if when == When::Auto && hear.recv_timeout(SHOW_AFTER) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = ProgressBar::with_draw_target(None, target());
            // As a job in the background it stays out of the way of what is typed there.
            let is_seen = || when == When::Always || !os::is_in_background();
            *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
            loop {
                let is_over = hear.recv_timeout(REFRESH) != Err(RecvTimeoutError::Timeout);
                if is_seen() {
                    update(&bar, &meter, &subject, is_over);
                } else if is_over {
                    bar.set_draw_target(ProgressDrawTarget::hidden());
                }
                if is_over {
                    break;
                }
            }
            bar.abandon();
            *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = None;
        });
        Some(Bar { over: Some(over), drawing: Some(draws.ok()?) })
    }
}

impl Drop for Bar {
    /// Draws what has moved in the end.
    fn drop(&mut self) {
        drop(self.over.take());
        let _ = self.drawing.take().map(JoinHandle::join);
    }
}

fn target() -> ProgressDrawTarget {
    if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::term_like(Box::new(PlainStderr))
    }
}

/// What a line shows: with a bar where there is room for one, and how long it will take while it goes on.
fn style(total: Option<u64>, has_room: bool, is_over: bool) -> ProgressStyle {
    let template = match (total, has_room, is_over) {
        (None, ..) => "{spinner} {binary_bytes_per_sec} {elapsed} {wide_msg}",
        (Some(_), false, false) => "{percent}% {binary_bytes_per_sec} ETA {eta} {wide_msg}",
        (Some(_), false, true) => "{percent}% {binary_bytes_per_sec} {elapsed} {wide_msg}",
        (Some(_), true, false) => {
            "{prefix}{binary_bytes} of {binary_total_bytes} [{wide_bar:.}] {binary_bytes_per_sec} {elapsed} ETA {eta}{msg}"
        }
        (Some(_), true, true) => {
            "{prefix}{binary_bytes} of {binary_total_bytes} [{wide_bar:.}] {binary_bytes_per_sec} {elapsed}{msg}"
        }
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

fn update(bar: &ProgressBar, meter: &Meter, subject: &Subject, is_over: bool) {
    let (About { label, total }, sent, received) = (subject.now(), meter.sent(), meter.received());
    let (mine, other) = match subject.moving {
        Moving::Both => (sent, received),
        Moving::Sent => (sent, 0),
        Moving::Received => (received, 0),
    };
    let message = match total {
        Some(_) if other == 0 => String::new(),
        Some(_) => format!(", received {}", BinaryBytes(other)),
        None if subject.moving == Moving::Both => {
            format!("sent {}, received {}", BinaryBytes(sent), BinaryBytes(received))
        }
        None => BinaryBytes(mine).to_string(),
    };
    // Looked at each time: windows change their size.
    let has_room = BESIDE_BAR + measure_text_width(&label) + measure_text_width(&message) <= usize::from(width());
    bar.set_style(style(total, has_room, is_over));
    if bar.length() != total {
        total.map_or_else(|| bar.unset_length(), |total| bar.set_length(total));
    }
    if total.is_some() && has_room {
        bar.set_prefix(label);
        bar.set_message(message);
    } else {
        bar.set_message((label + &message).trim_end_matches([' ', ':']).to_owned());
    }
    bar.set_position(if total.is_some() { mine } else { sent + received });
    bar.tick();
}

/// How wide the terminal is.
fn width() -> u16 {
    Term::stderr().size_checked().map_or(WIDTH, |(_, columns)| columns)
}

/// Writes to stderr while no bar is in the way.
pub(crate) fn beside_bar(write: impl FnOnce()) {
    let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    match &*shown {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// A stderr that is no terminal, where `--progress=always` draws all the same: each state in the place
/// of the one before, as pv -f does it.
#[derive(Debug)]
struct PlainStderr;

impl TermLike for PlainStderr {
    fn width(&self) -> u16 {
        WIDTH
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        io::stderr().write_all(format!("{line}\n").as_bytes())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        io::stderr().write_all(text.as_bytes())
    }

    fn clear_line(&self) -> io::Result<()> {
        io::stderr().write_all(b"\r")
    }

    fn flush(&self) -> io::Result<()> {
        io::stderr().flush()
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
