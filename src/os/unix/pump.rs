//! The heart: moving bytes from a source to a sink until something ends it.
//!
//! No thread sleeps inside read, write, splice or sendfile: it waits in poll for its end and the wake
//! signal together, then moves what is there, along the way that ways.rs and splice.rs know, or through
//! our memory. Deadlines are the bridge's: they concern both directions at once, and it gives the wake
//! signal when one is over.
//!
//! A sink is watched even while nothing comes: poll tells that a pipe has no reader (POLLERR) or that
//! a peer has gone (POLLHUP) without a byte being written.

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::ends::Growth;
use super::sink::Sink;
use super::source::Source;
use super::wake::Wake;
use super::ways::Way;
use crate::os::{Ended, Translate, Watch};

/// How often a background job looks whether the terminal has become its own.
pub(super) const BACKGROUND_PAUSE: Duration = Duration::from_millis(250);

/// How often a peer whose queue is full is written to all the same.
pub(super) const FULL_PAUSE: Duration = Duration::from_millis(250);

/// What poll always reports: the other side does not take any more.
pub(super) const CLOSED: PollFlags = PollFlags::ERR.union(PollFlags::HUP).union(PollFlags::NVAL);

/// Moves bytes from `source` to `sink` until one of them, or `wake`, ends it. `watch` is told of each
/// piece that was delivered.
pub(crate) fn pump(source: &mut Source, sink: &mut Sink, wake: &Wake, watch: Watch<'_>) -> Ended {
    block_stops();
    let growth = Growth::new();
    let count = |bytes| {
        growth.count(bytes);
        (watch.count)(bytes);
    };
    let Err(ended) = move_all(source, sink, wake, Watch { count: &count, ..watch }, &growth);
    ended
}

/// Should the terminal be taken from us between the look and the read: EIO, instead of a stop.
pub(super) fn block_stops() {
    let mut stops = SigSet::empty();
    stops.add(Signal::SIGTTIN);
    let _ = stops.thread_block();
}

fn move_all(
    source: &mut Source,
    sink: &mut Sink,
    wake: &Wake,
    watch: Watch<'_>,
    growth: &Growth,
) -> Result<Infallible, Ended> {
    // What is shown has to come by here.
    let mut way = if watch.show.is_some() { Way::Plain } else { Way::between(source.as_fd(), sink.as_fd()) };
    loop {
        deliver(source, sink, wake, watch)?;
        if source.has_ended() {
            return Err(Ended::SourceEnded);
        }
        growth.of([Some(source.as_fd()), Some(sink.as_fd()), way.own_pipe()]);
        wait_for_data(source, sink, wake)?;
        way.step(source, sink, wake, watch)?;
    }
}

/// Moves messages from `source` to `sink`, made by `translator` into what the other side wants.
pub(crate) fn pump_messages(
    source: &mut Source,
    sink: &mut Sink,
    wake: &Wake,
    watch: Watch<'_>,
    translator: &mut dyn Translate,
) -> Ended {
    block_stops();
    let growth = Growth::new();
    let count = |bytes| {
        growth.count(bytes);
        (watch.count)(bytes);
    };
    let Err(ended) = translate_all(source, sink, wake, Watch { count: &count, ..watch }, translator, &growth);
    ended
}

fn translate_all(
    source: &mut Source,
    sink: &mut Sink,
    wake: &Wake,
    watch: Watch<'_>,
    translator: &mut dyn Translate,
    growth: &Growth,
) -> Result<Infallible, Ended> {
    loop {
        deliver_messages(translator, sink, wake, watch)?;
        if translator.has_enough() {
            return Err(Ended::Enough);
        }
        growth.of([Some(source.as_fd()), Some(sink.as_fd()), None]);
        let is_over = match wait_for_data(source, sink, wake) {
            Err(Ended::SourceEnded) => true,
            Ok(()) if !take(source)? => continue,
            waited => waited.map(|()| source.has_ended())?,
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
    while let Some(bytes) = translator.pending() {
        let count = write_some(sink, bytes, wake)?;
        translator.delivered(count);
        (watch.count)(count);
    }
    Ok(())
}

/// Hands over all that was taken from the source.
fn deliver(source: &mut Source, sink: &mut Sink, wake: &Wake, watch: Watch<'_>) -> Result<(), Ended> {
    while !source.undelivered().is_empty() {
        let count = write_some(sink, source.undelivered(), wake)?;
        if let Some(show) = watch.show {
            show(&source.undelivered()[..count]);
        }
        source.delivered(count);
        (watch.count)(count);
    }
    Ok(())
}

/// Writes as much as there is room for, once there is some.
fn write_some(sink: &mut Sink, bytes: &[u8], wake: &Wake) -> Result<usize, Ended> {
    loop {
        if sink.needs_poll_first() {
            wait_for_room(sink, wake)?;
        }
        match sink.write(bytes) {
            Ok(count) => return Ok(count),
            Err(Errno::AGAIN) => wait_for_room(sink, wake)?,
            Err(Errno::INTR) => {}
            Err(Errno::PIPE) => return Err(Ended::SinkClosed),
            Err(error) => return Err(Ended::WriteFailed(write_error(sink, error, bytes.len()))),
        }
    }
}

/// Why a write of so many bytes failed, in the user's words where the kernel's would not help.
pub(super) fn write_error(sink: &Sink, error: Errno, length: usize) -> io::Error {
    match error {
        Errno::MSGSIZE | Errno::NOBUFS => io::Error::other(format!(
            "a message of {length} bytes is more than the kernel takes ({}): a --framing has no such limit",
            sink.largest_message()
        )),
        error => error.into(),
    }
}

/// Takes what the source has: poll said that there is something. Was there?
pub(super) fn take(source: &mut Source) -> Result<bool, Ended> {
    match source.fill() {
        Ok(()) => Ok(true),
        Err(Errno::AGAIN | Errno::INTR) => Ok(false),
        Err(Errno::IO) if source.is_for_others() => Ok(false),
        Err(error) => Err(Ended::ReadFailed(error.into())),
    }
}

/// Waits until a write can do something, be it to fail. To a peer with a full queue that has stopped
/// receiving, poll says nothing on AF_UNIX: only a write tells, so it is tried now and then.
pub(super) fn wait_for_room(sink: &Sink, wake: &Wake) -> Result<(), Ended> {
    let patience = sink.is_socket().then_some(FULL_PAUSE);
    loop {
        let before = Instant::now();
        let files =
            [(Some(sink.as_fd()), PollFlags::OUT), (Some(wake.as_fd()), PollFlags::IN), (sink.over(), PollFlags::IN)];
        let [room, woken, over] = poll_present(files, patience).map_err(Ended::WriteFailed)?;
        if !woken.is_empty() {
            return Err(Ended::Woken);
        }
        if !over.is_empty() {
            return Err(Ended::SinkClosed);
        }
        if !room.is_empty() || patience.is_some_and(|patience| before.elapsed() >= patience) {
            return Ok(());
        }
    }
}

fn wait_for_data(source: &Source, sink: &Sink, wake: &Wake) -> Result<(), Ended> {
    loop {
        // With another's terminal only the time goes by: poll without its fd.
        let for_others = source.is_for_others();
        let files = [
            (Some(sink.as_fd()), PollFlags::empty()),
            (Some(wake.as_fd()), PollFlags::IN),
            (Some(source.as_fd()).filter(|_| !for_others), PollFlags::IN),
            (source.over(), PollFlags::IN),
            (sink.over(), PollFlags::IN),
        ];
        let [closed, woken, data, source_over, sink_over] =
            poll_present(files, for_others.then_some(BACKGROUND_PAUSE)).map_err(Ended::ReadFailed)?;
        if !woken.is_empty() {
            return Err(Ended::Woken);
        }
        // Before anything is taken that could not be delivered.
        if closed.intersects(CLOSED) || !sink_over.is_empty() {
            return Err(Ended::SinkClosed);
        }
        if !data.is_empty() {
            return Ok(());
        }
        if !source_over.is_empty() {
            return Err(Ended::SourceEnded);
        }
    }
}

/// poll(2) for `timeout`, or for ever: what happened to each file, nothing for any when time is over.
pub(super) fn poll<const N: usize>(
    files: [(BorrowedFd<'_>, PollFlags); N],
    timeout: Option<Duration>,
) -> io::Result<[PollFlags; N]> {
    poll_present(files.map(|(fd, events)| (Some(fd), events)), timeout)
}

/// The same, where some of the files may be missing: nothing happens to those, and they cost nothing.
pub(super) fn poll_present<const N: usize>(
    files: [(Option<BorrowedFd<'_>>, PollFlags); N],
    timeout: Option<Duration>,
) -> io::Result<[PollFlags; N]> {
    let present = files.iter().filter_map(|&(fd, events)| Some((fd?, events)));
    let mut polled: Vec<_> = present.map(|(fd, events)| PollFd::from_borrowed_fd(fd, events)).collect();
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match rustix::event::poll(&mut polled, timeout.as_ref()) {
        // A signal: as if nothing had happened; every caller looks again.
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut happened = polled.iter().map(PollFd::revents);
    Ok(files.map(|(fd, _)| fd.and_then(|_| happened.next()).unwrap_or(PollFlags::empty())))
}
