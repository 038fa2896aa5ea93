//! A connection whose peer may talk to us, and the wait for a server.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::{Direction, PeerRule, PipeAddress};
use crate::os::{self, Attempt, Connection, Peer, Seen, Sink, Source, Stream};

/// The pause between two attempts to connect: short enough that nobody notices it, and in the long run
/// so long that it costs nothing.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(15));

/// After this long the user is told what we wait for.
const NOTICE_AFTER: Duration = Duration::from_secs(1);

/// A connection. Dropping it leaves without harm to the peer.
#[derive(Debug)]
pub(crate) struct PipeStream {
    stream: Stream,
    /// Who is at the other end.
    pub(crate) peer: Peer,
}

impl PipeStream {
    pub(super) fn checked(stream: Stream, rule: PeerRule) -> io::Result<Self> {
        let peer = stream.peer()?;
        rule.check(&peer)?;
        Ok(PipeStream { stream, peer })
    }

    /// Connects, waiting for a server that is not there yet or is busy: for `wait`, or for ever, but
    /// trying at least once. `waiting` is told once what is to be seen meanwhile.
    ///
    /// # Errors
    /// `TimedOut` when the wait is over; at once what waiting cannot mend, and `PermissionDenied` for a
    /// server that `rule` refuses (trying again would be a new client for it each time).
    pub(crate) fn connect(
        address: &PipeAddress,
        rule: PeerRule,
        wait: Option<Duration>,
        mut waiting: impl FnMut(Seen),
    ) -> io::Result<Self> {
        let place = address.place()?;
        let start = Instant::now();
        let mut pause = PAUSES.0;
        let mut told = false;
        loop {
            let seen = match os::try_connect(&place)? {
                Attempt::Connected(stream) => return Self::checked(stream, rule),
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
            thread::sleep(pause.min(left.unwrap_or(pause)));
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// The ends that bytes move through. The half that `direction` has no use for is ended at once, as
    /// .NET does after the connection, if `tell`.
    pub(crate) fn into_ends(self, direction: Direction, tell: bool) -> (Option<Source>, Option<Sink>, Connection) {
        let (source, sink, connection) = self.stream.into_ends();
        let (mut source, mut sink) = (Some(source), Some(sink));
        if tell && !direction.sends() {
            sink.take().into_iter().for_each(Sink::finish);
        }
        if tell && !direction.receives() {
            source.take().into_iter().for_each(Source::close);
        }
        (source, sink, connection)
    }
}

fn too_late(wait: Duration, seen: Seen) -> io::Error {
    let what = match seen {
        Seen::Nothing => "there is no such pipe",
        Seen::Stale => "a stale socket is there",
        Seen::Busy => "the server is busy with other clients",
    };
    let waited = if wait.is_zero() { String::new() } else { format!(" after {}", humantime::format_duration(wait)) };
    io::Error::new(io::ErrorKind::TimedOut, format!("{what}{waited}"))
}
