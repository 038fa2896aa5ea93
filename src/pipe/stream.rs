//! A connection whose peer may talk to us, and the wait for a server.

use std::io;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::{Direction, Manner, PeerRule, PipeAddress};
use crate::os::{Attempt, Connection, Connector, OneWay, Peer, Seen, Sink, Source, Stream};

/// The pause between two attempts to connect: short enough that nobody notices it, and in the long run
/// so long that it costs nothing.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(15));

/// After this long the user is told what we wait for.
const NOTICE_AFTER: Duration = Duration::from_secs(1);

/// What came of the wait for the other side.
#[derive(Debug)]
pub(crate) enum Waited {
    /// A peer that may talk to us.
    Found(PipeStream),
    /// The wake signal was given.
    Woken,
    /// Nobody reads our stdout: there is nobody to connect for.
    NobodyReads,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct PipeStream {
    stream: Stream,
    /// Who is at the other end; a FIFO does not say.
    pub(crate) peer: Option<Peer>,
    /// Which way its bytes go.
    pub(crate) direction: Direction,
}

impl PipeStream {
    /// `stream`, if its peer may talk to us.
    pub(super) fn checked(stream: Stream, manner: &Manner) -> io::Result<Self> {
        let peer = stream.peer()?;
        let direction = match (&peer, manner.rule) {
            (Some(peer), rule) => {
                rule.check(peer)?;
                manner.direction
            }
            (None, PeerRule::User(_)) => return Err(nobody_knows()),
            (None, PeerRule::Any) => manner.one_way.map_or(manner.direction, Direction::from),
        };
        manner.buffer_size.map_or(Ok(()), |size| stream.set_buffer_size(size))?;
        Ok(PipeStream { stream, peer, direction })
    }

    /// Connects, waiting for a server that is not there yet or is busy: for `wait`, or for ever, but
    /// trying at least once. `waiting` is told once what is to be seen meanwhile. That nobody reads
    /// `stdout` any more ends the wait.
    ///
    /// # Errors
    /// `TimedOut` when the wait is over; at once what waiting cannot mend, and `PermissionDenied` for a
    /// server that the rule refuses (trying again would be a new client for it each time).
    pub(crate) fn connect(
        address: &PipeAddress,
        manner: &Manner,
        wait: Option<Duration>,
        stdout: Option<&Sink>,
        mut waiting: impl FnMut(Seen),
    ) -> io::Result<Waited> {
        let mut connector = Connector::new(address.place()?, manner.one_way);
        let start = Instant::now();
        let mut pause = PAUSES.0;
        let mut told = false;
        loop {
            let seen = match connector.attempt()? {
                Attempt::Connected(stream) => return Self::checked(stream, manner).map(Waited::Found),
                Attempt::NotYet(seen) => seen,
            };
            let left = wait.map(|wait| wait.saturating_sub(start.elapsed()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(too_late(wait.unwrap_or_default(), seen));
            }
            if !told && start.elapsed() >= NOTICE_AFTER {
                waiting(seen);
                told = true;
            }
            let sleep = pause.min(left.unwrap_or(pause));
            match stdout {
                Some(stdout) if stdout.closes_within(sleep) => return Ok(Waited::NobodyReads),
                Some(_) => {}
                None => thread::sleep(sleep),
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Ends the half that the direction has no use for, as .NET does after the connection.
    pub(crate) fn end_unused_half(&self) {
        match self.direction {
            Direction::In => self.stream.keep_only(OneWay::In),
            Direction::Out => self.stream.keep_only(OneWay::Out),
            Direction::InOut => {}
        }
    }

    /// The ends that bytes move through.
    pub(crate) fn into_ends(self) -> (Option<Source>, Option<Sink>, Connection) {
        self.stream.into_ends()
    }

    /// The pipe as a program's stdin and stdout.
    pub(crate) fn into_stdio(self) -> io::Result<(Option<Stdio>, Option<Stdio>)> {
        self.stream.into_stdio()
    }

    /// The peer, for people.
    pub(crate) fn peer_name(&self) -> String {
        self.peer.map_or_else(|| "a FIFO, which does not say who is there".to_owned(), |peer| peer.to_string())
    }
}

fn nobody_knows() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "a FIFO does not say who is there, so '--peer' cannot be kept to")
}

fn too_late(wait: Duration, seen: Seen) -> io::Error {
    let what = match seen {
        Seen::Nothing => "there is no such pipe",
        Seen::Stale => "a stale socket is there",
        Seen::Busy => "the server is busy with other clients",
        Seen::NoWriter => "nobody writes to the FIFO",
        Seen::NoReader => "nobody reads the FIFO",
    };
    let waited = if wait.is_zero() { String::new() } else { format!(" after {}", humantime::format_duration(wait)) };
    io::Error::new(io::ErrorKind::TimedOut, format!("{what}{waited}"))
}
