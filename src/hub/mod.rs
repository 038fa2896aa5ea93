//! The hub: one thread between stdin, stdout and any number of clients. It owns who gets what, and what
//! happens to those who do not take it.
//!
//! What stdin brings goes to every client; what a client says goes to stdout and, in a relay, to the other
//! clients. Messages stay whole: a batch of them goes into the queue of each client as it is, or not at all.
//!
//! | what happens | then |
//! | --- | --- |
//! | nobody is connected | stdin is left alone: what it brings is for the first who comes |
//! | stdin ends | each client gets a finish behind what waits for it, later ones at once; in a relay nothing, for the others go on talking. With `-d out` the hub is over when the last client has left |
//! | a client finishes | it goes on receiving |
//! | a client has gone | what it said is still taken, then it is forgotten |
//! | a client reads no more | it goes on being heard |
//! | a client says what is no message, or what stdout cannot express | that client is let go |
//! | a client's queue is full | `--on-slow`: it misses messages, is disconnected, or all have to wait |
//! | *every* client's queue is full | those who talk wait for the first that takes something, for a second |
//! | stdout takes nothing | the clients are not heard for as long |
//! | nobody reads stdout | the hub is over |
//! | no file descriptor is free | clients wait in the backlog until one is |

use std::io;
use std::num::NonZeroUsize;
use std::time::Duration;

mod client;
mod crowd;
mod desk;
mod door;
mod label;
mod queue;
mod rounds;
mod talk;
mod totals;
mod wire;

pub(crate) use client::Why;
pub(crate) use rounds::Hub;
pub(crate) use totals::{Counts, Totals};
pub(crate) use wire::Wire;

use crate::os::Peer;
use crate::pipe::{Direction, PipeStream};
use crate::progress::Meter;

/// What clients hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hears {
    /// What stdin says.
    Stdin,
    /// And each other.
    All,
}

/// What happens to a client that does not take what is sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnSlow {
    /// It misses what does not fit into its queue.
    Drop,
    /// It is disconnected.
    Disconnect,
    /// All wait for it.
    Block,
}

/// What the user decided about a hub.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) hears: Hears,
    /// Does a client's number stand in front of messages on stdin and stdout?
    pub(crate) labelled: bool,
    pub(crate) on_slow: OnSlow,
    /// Bytes that may wait for a client.
    pub(crate) queue: usize,
    pub(crate) most_clients: Option<NonZeroUsize>,
    pub(crate) direction: Direction,
    /// Are ends passed on: stdin's, and at once the half of a connection that has no use?
    pub(crate) passes_ends: bool,
    /// How long to be without a client.
    pub(crate) wait: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) quit_after: Option<Duration>,
    pub(crate) client_timeout: Option<Duration>,
    /// How messages look on the pipe, and on stdin and stdout.
    pub(crate) wire: Wire,
    pub(crate) stdio: Wire,
    /// So many messages are wanted of each client.
    pub(crate) count: Option<u64>,
    pub(crate) largest: usize,
    pub(crate) strips_bom: bool,
}

/// What is told while it goes on.
pub(crate) enum Event<'a> {
    Came {
        number: u64,
        pipe: &'a PipeStream,
        now: usize,
    },
    Left {
        number: u64,
        peer: Option<Peer>,
        meter: &'a Meter,
        counts: Counts,
        why: Why,
        now: usize,
    },
    Refused(io::Error),
    /// What a client sent is no message, or cannot be one on stdout.
    Malformed {
        number: u64,
        why: String,
    },
    /// A message of stdin that cannot be sent.
    Unsaid {
        message: u64,
        why: String,
    },
    /// Messages for a client that is not there.
    Missed {
        number: u64,
        messages: u64,
    },
}

/// Why a hub ended, where nothing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// All of stdin is delivered, and clients cannot send anything.
    AllDelivered,
    /// Nobody reads our stdout any more.
    StdoutClosed,
}

/// What ends a hub.
#[derive(Debug)]
pub(crate) enum Failure {
    Wait(io::Error),
    Accept(io::Error),
    /// There was no client for so long.
    NobodyCame(Duration),
    Stdin(io::Error),
    Stdout(io::Error),
    /// stdin cannot be told apart into messages any more.
    Malformed(String),
}

impl Terms {
    /// Do clients hear each other?
    fn relays(&self) -> bool {
        self.hears == Hears::All
    }

    /// Is stdin's end the last thing that clients are to hear? With a count not before all has come.
    fn ends_with_stdin(&self) -> bool {
        self.passes_ends && self.count.is_none() && !self.relays()
    }
}
