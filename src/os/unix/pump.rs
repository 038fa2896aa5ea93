//! The heart: moving bytes along one way, or both at once, until something ends it.
//!
//! No thread sleeps inside read, write, splice or sendfile: it waits in poll, for all ends of its lanes and the wake
//! signal together; then each lane moves what is there, along the way that ways.rs and splice.rs know, or through our
//! memory. So one thread is enough for both ways, and neither keeps the other waiting. (Two moved 2,540 MiB/s where one
//! moved 2,508, through cats both ways at once on two processors; but only one that knows both ways sees a rally.)
//! Deadlines are the bridge's: it gives the wake signal when one is over.
//!
//! A sink is watched even while nothing comes: poll tells that a pipe has no reader (POLLERR) or that
//! a peer has gone (POLLHUP) without a byte being written.

use std::os::fd::AsFd;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use rustix::event::PollFlags;
use rustix::io::Errno;

use super::lane::Lane;
use super::poll::{Watched, poll_all};
use super::rally::Rally;
use super::wake::Wake;
use super::ways::is_plain_wanted;
use crate::os::{AtEnd, Ended, Flow};

/// With a single one, who looks only keeps the other side from answering. (Asked when a rally begins, once.)
static HAS_PROCESSORS: LazyLock<bool> =
    LazyLock::new(|| thread::available_parallelism().is_ok_and(|count| count.get() > 1));

/// What happened to the files of a lane.
type Happened = [PollFlags; 4];

/// Which of `flows` can be moved by one thread: all, unless one may sleep in spite of all this. A file on a disk may have
/// its caller do that, a terminal or a FIFO whose end others have too, and who looks on as well; then the others are not
/// to wait for it.
pub(crate) fn share_threads(flows: Vec<Flow<'_>>) -> Vec<Vec<Flow<'_>>> {
    if flows.iter().any(may_sleep) { flows.into_iter().map(|flow| vec![flow]).collect() } else { vec![flows] }
}

fn may_sleep(flow: &Flow<'_>) -> bool {
    let plain = flow.translator.is_some() || is_plain_wanted();
    flow.watch.show.is_some()
        || flow.source.as_ref().is_some_and(|source| source.may_sleep(plain))
        || flow.sink.as_ref().is_some_and(|sink| sink.may_sleep(plain))
}

/// Moves what there is along all `flows` until each has ended, by itself or by `wake`: then it is given back.
pub(crate) fn pump(flows: Vec<Flow<'_>>, wake: &Wake, at_end: &AtEnd<'_>) {
    block_stops();
    let mut rally = Rally::new();
    let lanes = flows.into_iter().map(Lane::new).collect();
    let mut lanes = keep(lanes, at_end, |_, lane| lane.begin());
    while !lanes.is_empty() {
        lanes = match wait(&lanes, wake, &rally) {
            Ok(Some(happened)) => keep(lanes, at_end, |index, lane| go_on(lane, happened[index], &mut rally)),
            Ok(None) => keep(lanes, at_end, |_, _| Err(Ended::Woken)),
            Err(error) => keep(lanes, at_end, |_, _| Err(Ended::ReadFailed(error.into()))),
        };
    }
}

fn go_on(lane: &mut Lane<'_>, happened: Happened, rally: &mut Rally) -> Result<(), Ended> {
    let before = lane.moved();
    lane.go_on(happened)?;
    if lane.moved() > before {
        rally.stroke(lane.goes(), lane.moved() - before, Instant::now());
    }
    Ok(())
}

/// Has each lane do something, and gives those back that have ended by it.
fn keep<'a>(
    lanes: Vec<Lane<'a>>,
    at_end: &AtEnd<'_>,
    mut act: impl FnMut(usize, &mut Lane<'a>) -> Result<(), Ended>,
) -> Vec<Lane<'a>> {
    let mut kept = Vec::with_capacity(lanes.len());
    for (index, mut lane) in lanes.into_iter().enumerate() {
        match act(index, &mut lane) {
            Ok(()) => kept.push(lane),
            Err(ended) => {
                let (flow, ended) = lane.end(ended);
                at_end(flow, ended);
            }
        }
    }
    kept
}

/// Waits until something has happened to any lane: what, for each; nothing when the wake signal was given.
fn wait(lanes: &[Lane<'_>], wake: &Wake, rally: &Rally) -> Result<Option<Vec<Happened>>, Errno> {
    let (files, pauses): (Vec<_>, Vec<_>) = lanes.iter().map(Lane::watched).unzip();
    let mut watched = vec![(Some(wake.as_fd()), PollFlags::IN)];
    watched.extend(files.into_iter().flatten());
    let pause = pauses.into_iter().flatten().min();
    let happened = match look_again_and_again(&watched, rally)? {
        Some(happened) => happened,
        None => poll_all(&watched, pause)?,
    };
    let is_woken = !happened[0].is_empty();
    Ok((!is_woken).then(|| happened[1..].as_chunks().0.to_vec()))
}

/// Has anything happened while the rally went on?
fn look_again_and_again(watched: &[Watched<'_>], rally: &Rally) -> Result<Option<Vec<PollFlags>>, Errno> {
    while rally.is_on(Instant::now()) && *HAS_PROCESSORS {
        let happened = poll_all(watched, Some(Duration::ZERO))?;
        if happened.iter().any(|file| !file.is_empty()) {
            return Ok(Some(happened));
        }
        thread::yield_now();
    }
    Ok(None)
}

/// Should the terminal be taken from us between the look and the read: EIO, instead of a stop.
pub(super) fn block_stops() {
    let mut stops = SigSet::empty();
    stops.add(Signal::SIGTTIN);
    let _ = stops.thread_block();
}
