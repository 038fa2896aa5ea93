//! Many clients on one server, and the list of pipes, on Windows: not there yet.

use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use super::listener::Listener;
use super::place::Place;
use super::sink::Sink;
use super::source::Source;
use super::stream::Stream;
use crate::os::{FoundPipe, Gave, Mode, News, Took, Wish};

fn not_yet(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("{what}: not yet on Windows"))
}

/// As a connection, it would be closed with this.
#[derive(Debug)]
pub(crate) struct Link(#[expect(dead_code, reason = "it is there to be dropped")] Stream);

impl Link {
    pub(crate) fn take(&self, _: &mut Vec<u8>) -> Took {
        Took::Failed(not_yet("--hub"))
    }

    pub(crate) fn give(&self, _: &[u8]) -> Gave {
        Gave::Failed(not_yet("--hub"))
    }

    pub(crate) fn largest_message(&self) -> Option<usize> {
        None
    }

    pub(crate) fn finish(&self) {}
}

impl Source {
    pub(crate) fn take_now(&mut self) -> Took {
        Took::Failed(not_yet("--hub"))
    }

    pub(crate) fn let_go(&mut self) {}

    pub(crate) fn is_exhausted(&self) -> bool {
        false
    }

    pub(crate) fn is_taken(&self) -> bool {
        false
    }
}

impl Sink {
    pub(crate) fn give_now(&mut self, _: &[u8]) -> Gave {
        Gave::Failed(not_yet("--hub"))
    }

    pub(crate) fn asks_first(&self) -> bool {
        false
    }
}

#[derive(Default)]
pub(crate) struct Lookout<'a>(PhantomData<&'a ()>);

impl<'a> Lookout<'a> {
    pub(crate) fn add<T>(&mut self, _: &'a T, _: Wish) {}

    pub(crate) fn add_listener(&mut self, _: &'a Listener) {}

    pub(crate) fn wait(self, _: Option<Duration>) -> io::Result<Vec<News>> {
        Err(not_yet("--hub"))
    }
}

/// There is no service manager that hands pipes over.
#[derive(Debug)]
pub(crate) struct HandedOver;

impl HandedOver {
    pub(crate) fn take() -> io::Result<Self> {
        Ok(HandedOver)
    }

    pub(crate) fn is_empty(&self) -> bool {
        true
    }

    pub(crate) fn holds(&self, _: u32) -> bool {
        false
    }
}

pub(crate) fn notify_ready() -> io::Result<()> {
    Ok(())
}

impl Listener {
    pub(crate) fn inherited(_: HandedOver, _: &Place, _: Option<&str>, _: Mode) -> io::Result<(Self, String)> {
        Err(not_yet("LISTEN_FDS"))
    }

    pub(crate) fn take_waiting(&self) -> io::Result<Option<Stream>> {
        Err(not_yet("--hub"))
    }
}

impl Stream {
    pub(crate) fn cutter(&self) -> io::Result<Cutter> {
        Err(not_yet("--client-timeout"))
    }

    pub(crate) fn into_link(self) -> io::Result<Link> {
        Err(not_yet("--hub"))
    }
}

#[derive(Debug)]
pub(crate) struct Cutter;

impl Cutter {
    pub(crate) fn cut(self) {}
}

pub(crate) fn pipes() -> io::Result<Vec<FoundPipe>> {
    Err(not_yet("list"))
}
