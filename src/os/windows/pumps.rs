//! Moving bytes on Windows, overlapped: not there yet.

use std::fs::File;
use std::io;
use std::process::{ChildStdin, ChildStdout};
use std::time::Duration;

use super::not_yet;
use crate::os::{Ended, Stopped, Translate, Watch};

#[derive(Debug)]
pub(crate) struct Source;

impl Source {
    pub(crate) fn stdin() -> Self {
        Source
    }

    pub(crate) fn file(_: File) -> Self {
        Source
    }

    pub(crate) fn child_output(_: ChildStdout) -> Self {
        Source
    }

    pub(crate) fn undelivered(&self) -> &[u8] {
        &[]
    }

    pub(crate) fn delivered(&mut self, _: usize) {}

    pub(crate) fn length(&self) -> Option<u64> {
        None
    }

    pub(crate) fn close(self) {}
}

#[derive(Debug)]
pub(crate) struct Sink;

impl Sink {
    pub(crate) fn stdout() -> Self {
        Sink
    }

    pub(crate) fn file(_: File) -> Self {
        Sink
    }

    pub(crate) fn child_input(_: ChildStdin) -> Self {
        Sink
    }

    pub(crate) fn closes_within(&self, pause: Duration) -> bool {
        std::thread::sleep(pause);
        false
    }

    pub(crate) fn finish(self) {}
}

#[derive(Debug)]
pub(crate) struct Wake;

impl Wake {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Wake)
    }

    pub(crate) fn give(&self) {}
}

pub(crate) fn pump(_: &mut Source, _: &mut Sink, _: &Wake, _: Watch<'_>) -> Ended {
    Ended::ReadFailed(not_yet("moving bytes"))
}

pub(crate) fn pump_messages(_: &mut Source, _: &mut Sink, _: &Wake, _: Watch<'_>, _: &mut dyn Translate) -> Ended {
    Ended::ReadFailed(not_yet("moving messages"))
}

pub(crate) fn take_some(_: &mut Source, _: Option<&Sink>, _: Option<Duration>) -> Result<(), Stopped> {
    Err(Stopped::Failed(not_yet("receiving")))
}

pub(crate) fn give_all(_: &mut Sink, _: &[u8], _: Option<Duration>, _: &dyn Fn(usize)) -> Result<(), Stopped> {
    Err(Stopped::Failed(not_yet("sending")))
}
