//! Who carries the bytes of a child's further pipes (`--pipe`): each from or to a file, stdin or stdout, or a
//! named pipe, on a thread of its own.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Error, Result, anyhow};

use super::child_pipes::{ChildPipe, ChildWay, OtherEnd};
use super::values::Patience;
use crate::os::{self, Sink, Source};
use crate::pipe::{Direction, Manner, PipeAddress, PipeEnds, PipeStream, Seek, Waited};
use crate::{bridge, exit, stderr};

/// A pipe to the child, its other end not connected yet.
pub(super) enum OurEnd {
    ToChild(Sink),
    FromChild(Source),
}

/// The other end of a child's pipe.
pub(super) enum Other {
    Bridge,
    Standard,
    File(File, String),
    Pipe(Box<Seek>, Patience, String),
}

impl Other {
    /// Opens a file at once, so that a mistake is one before anything runs. A named pipe is waited for
    /// while the child runs, which may be what makes it.
    pub(super) fn open(pipe: &ChildPipe, wait: Patience) -> Result<Self> {
        match &pipe.other_end {
            OtherEnd::Bridge => Ok(Other::Bridge),
            OtherEnd::Standard => Ok(Other::Standard),
            OtherEnd::Pipe(address) => Other::seek(address, pipe.way, wait),
            OtherEnd::File(path) if os::is_pipe(path) => Other::seek(&PipeAddress::Path(path.clone()), pipe.way, wait),
            OtherEnd::File(path) => {
                let name = path.display().to_string();
                let opened = match pipe.way {
                    ChildWay::Reads => File::open(path),
                    ChildWay::Writes => File::create(path),
                };
                opened.with_context(|| format!("could not open '{name}'")).map(|file| Other::File(file, name))
            }
        }
    }

    fn seek(address: &PipeAddress, way: ChildWay, wait: Patience) -> Result<Self> {
        let direction = if way == ChildWay::Reads { Direction::In } else { Direction::Out };
        let mode = Some(os::Mode::Byte);
        let manner = Manner { direction: Some(direction), guess: None, mode, rule: None, buffer_size: None };
        let name = address.to_string();
        let seek = Seek::new(address, manner).with_context(|| format!("could not connect to '{name}'"))?;
        Ok(Other::Pipe(Box::new(seek), wait, name))
    }
}

/// Moves the bytes of one pipe on a thread of its own.
pub(super) fn carry(end: OurEnd, other: Other, failed: Arc<AtomicBool>) -> Result<JoinHandle<()>> {
    let carrying = move || {
        let carried = match end {
            OurEnd::ToChild(sink) => to_child(sink, other),
            OurEnd::FromChild(source) => from_child(source, other),
        };
        if let Err(error) = carried {
            failed.store(true, SeqCst);
            exit::say(&error);
        }
    };
    thread::Builder::new().spawn(carrying).context("could not begin to move bytes")
}

fn to_child(sink: Sink, other: Other) -> Result<()> {
    let (source, name) = match other {
        Other::Standard | Other::Bridge => (Some(Source::stdin()), "stdin".to_owned()),
        Other::File(file, name) => (Some(Source::file(file)), name),
        Other::Pipe(seek, wait, name) => {
            (connect(*seek, wait, &name, Some(&sink))?.and_then(|pipe| pipe.into_ends(true).source), name)
        }
    };
    match source {
        Some(source) => bridge::carry(source, sink).map_err(|error| in_words(error, &name)),
        // The child ended before its pipe was there.
        None => Ok(()),
    }
}

fn from_child(source: Source, other: Other) -> Result<()> {
    let (carried, name) = match other {
        Other::Standard | Other::Bridge => (bridge::carry(source, Sink::stdout()), "stdout".to_owned()),
        Other::File(file, name) => (bridge::carry(source, Sink::file(file)), name),
        Other::Pipe(seek, wait, name) => {
            let ends = connect(*seek, wait, &name, None)?.map(|pipe| pipe.into_ends(true));
            let Some(PipeEnds { sink: Some(sink), connection, .. }) = ends else { return Ok(()) };
            (bridge::carry_to_peer(source, sink, &connection), name)
        }
    };
    carried.map_err(|error| in_words(error, &name))
}

fn connect(seek: Seek, wait: Patience, name: &str, until_closed: Option<&Sink>) -> Result<Option<PipeStream>> {
    let say = |_| stderr::say(&format!("waiting for '{name}'"));
    match seek.connect(wait.limit(), until_closed, say).with_context(|| format!("could not connect to '{name}'"))? {
        Waited::Found(pipe) => Ok(Some(pipe)),
        Waited::Woken | Waited::NobodyReads => Ok(None),
    }
}

fn in_words(failure: bridge::CarryFailure, name: &str) -> Error {
    match failure {
        bridge::CarryFailure::Read(error) => Error::from(error).context(format!("could not read '{name}'")),
        bridge::CarryFailure::Write(error) => Error::from(error).context(format!("could not write to '{name}'")),
        bridge::CarryFailure::Undelivered => {
            anyhow!("could not deliver everything to '{name}': the peer left without reading all of it")
        }
    }
}
