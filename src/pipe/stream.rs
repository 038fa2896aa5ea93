//! A connection whose peer may talk to us, and the wait for a server.

use std::io;
use std::time::Duration;

use super::{Clock, Direction, Manner, PeerRule, PipeAddress};
use crate::os::{Attempt, Connection, Connector, Cutter, Link, Mode, OneWay, Peer, Seen, Sink, Source, Stdio, Stream};

/// The pause between two attempts to connect: short enough that nobody notices it, and in the long run
/// so long that it costs nothing.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(15));

/// The pauses before a connection that was lost is made again.
pub(crate) const COMING_BACK: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

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
    /// A sentence, where the kernel's buffer could not be made as large as the user wants.
    pub(crate) kept_buffer: Option<String>,
}

/// Looks for a server.
#[derive(Debug)]
pub(crate) struct Seek {
    connector: Connector,
    address: PipeAddress,
    manner: Manner,
    pauses: (Duration, Duration),
}

impl Seek {
    /// Begins to look for the server at `address`. For handles that we inherited this has to come before
    /// anything else is opened that could get their numbers.
    pub(crate) fn new(address: &PipeAddress, manner: Manner) -> io::Result<Self> {
        let connector = Connector::new(address.place()?, manner.mode, manner.way(), manner.fifo_way())?;
        Ok(Seek { connector, address: address.clone(), manner, pauses: PAUSES })
    }

    /// Looks less often: for a server that has gone and may be long in coming back.
    pub(crate) fn unhurried(self) -> Self {
        Seek { pauses: COMING_BACK, ..self }
    }

    /// Tries once, without ever waiting: what is to be seen where there is nobody to talk to yet.
    ///
    /// # Errors
    /// What waiting cannot mend, and `PermissionDenied` for a server that the rule refuses.
    pub(crate) fn attempt(&mut self) -> io::Result<Result<PipeStream, Seen>> {
        match self.connector.attempt()? {
            Attempt::Connected(stream) => {
                let rule = self.manner.rule.unwrap_or_else(|| self.address.rule_of_servers());
                PipeStream::checked(stream, &self.manner, rule).map(Ok)
            }
            Attempt::NotYet(seen) => Ok(Err(seen)),
        }
    }

    /// Connects, waiting for a server that is not there yet or is busy: for `wait`, or for ever, but
    /// trying at least once. `waiting` is told once what is to be seen meanwhile. That nobody reads
    /// `stdout` any more ends the wait.
    ///
    /// # Errors
    /// `TimedOut` when the wait is over; at once what waiting cannot mend, and `PermissionDenied` for a
    /// server that the rule refuses (trying again would be a new client for it each time).
    pub(crate) fn connect(
        mut self,
        wait: Option<Duration>,
        stdout: Option<&Sink>,
        mut waiting: impl FnMut(Seen),
    ) -> io::Result<Waited> {
        let (first_pause, longest_pause) = self.pauses;
        let mut clock = Clock::new(wait).pausing_from(first_pause);
        loop {
            let seen = match self.attempt()? {
                Ok(stream) => return Ok(Waited::Found(stream)),
                Err(seen) => seen,
            };
            if clock.is_over() {
                return Err(too_late(wait.unwrap_or_default(), seen));
            }
            if clock.is_due_to_say() {
                waiting(seen);
            }
            if clock.pause(stdout, longest_pause) {
                return Ok(Waited::NobodyReads);
            }
        }
    }
}

/// The far side of a bridge: what comes from the peer, and what goes to it.
#[derive(Debug)]
pub(crate) struct PipeEnds {
    pub(crate) source: Option<Source>,
    pub(crate) sink: Option<Sink>,
    /// Does the pipe keep messages apart?
    pub(crate) mode: Mode,
    /// What is known of both together.
    pub(crate) connection: Connection,
    pub(crate) direction: Direction,
}

impl PipeStream {
    /// `stream`, if its peer may talk to us by `rule`.
    pub(super) fn checked(stream: Stream, manner: &Manner, rule: PeerRule) -> io::Result<Self> {
        let peer = stream.peer()?;
        match (&peer, rule) {
            (Some(peer), rule) => rule.check(peer)?,
            (None, rule @ PeerRule::User(_)) => rule.check_maker(stream.maker())?,
            (None, PeerRule::Any) => {}
        }
        let direction = stream.only_way().map_or(manner.direction.unwrap_or_default(), Direction::from);
        let kept_buffer = manner.buffer_size.map_or(Ok(None), |size| stream.set_buffer_size(size))?;
        Ok(PipeStream { stream, peer, direction, kept_buffer })
    }

    fn mode(&self) -> Mode {
        self.stream.mode()
    }

    /// Can it be given to a program as it is? Programs do not expect messages where they have bytes.
    pub(crate) fn fits_programs(&self) -> bool {
        self.mode() == Mode::Byte && self.stream.fits_programs()
    }

    /// Has the kernel keep more of what we send, where it has a choice.
    pub(crate) fn enlarge_buffer(&self) {
        self.stream.enlarge_buffer();
    }

    /// Ends the half that the direction has no use for, as .NET does after the connection.
    pub(crate) fn end_unused_half(&self) {
        match self.direction {
            Direction::In => self.stream.keep_only(OneWay::In),
            Direction::Out => self.stream.keep_only(OneWay::Out),
            Direction::InOut => {}
        }
    }

    /// The ends that bytes move through; with `tell` the unused half is ended at once.
    pub(crate) fn into_ends(self, tell: bool) -> PipeEnds {
        if tell {
            self.end_unused_half();
        }
        let (direction, mode) = (self.direction, self.stream.mode());
        let (source, sink, connection) = self.stream.into_ends();
        PipeEnds { source, sink, mode, connection, direction }
    }

    /// What ends the connection later, whoever has it by then.
    pub(crate) fn cutter(&self) -> io::Result<Cutter> {
        self.stream.cutter()
    }

    /// The connection for a thread that has many; with `tell` the unused half is ended at once.
    pub(crate) fn into_link(self, tell: bool) -> io::Result<Link> {
        if tell {
            self.end_unused_half();
        }
        self.stream.into_link()
    }

    /// The pipe as a program's stdin and stdout.
    pub(crate) fn into_stdio(self) -> io::Result<(Option<Stdio>, Option<Stdio>)> {
        self.stream.into_stdio()
    }
}

/// A peer, for people: with a user's name, which is looked up.
pub(crate) fn peer_name(peer: Option<Peer>) -> String {
    peer.map_or_else(|| "a pipe that does not say who is there".to_owned(), |peer| peer.to_string())
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
