//! Serving: a pipe that clients connect to, and which of them are let in.

use std::io;
use std::time::{Duration, Instant};

use super::{PeerRule, PipeAddress, PipeStream};
use crate::os::{self, Access, OwnedName};

/// A pipe that we serve. Its name is removed on drop, if it is still ours.
#[derive(Debug)]
pub(crate) struct Listener {
    inner: os::Listener,
    rule: PeerRule,
}

impl Listener {
    /// Creates the pipe, for `many` clients or one. Clients can connect as soon as it returns.
    ///
    /// # Errors
    /// `AddrInUse` where another process serves it, `AlreadyExists` where a file that is no socket has
    /// the name, `InvalidInput` and `Unsupported` for what this kind of pipe cannot have.
    pub(crate) fn bind(
        address: &PipeAddress,
        rule: PeerRule,
        access: Access,
        many: bool,
        name: &OwnedName,
    ) -> io::Result<Self> {
        Ok(Listener { inner: os::Listener::bind(&address.place()?, access, many, name)?, rule })
    }

    /// Waits for the next client that may talk to us. One that may not is closed before a byte moves,
    /// told to `refused`, and does not end the wait.
    ///
    /// # Errors
    /// `TimedOut` when none came within `wait`.
    pub(crate) fn accept(&self, wait: Option<Duration>, mut refused: impl FnMut(io::Error)) -> io::Result<PipeStream> {
        let start = Instant::now();
        loop {
            let left = wait.map(|wait| wait.saturating_sub(start.elapsed()));
            let Some(stream) = self.inner.accept(left)? else {
                let waited = humantime::format_duration(wait.unwrap_or_default());
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("no client came within {waited}")));
            };
            match PipeStream::checked(stream, self.rule) {
                Ok(stream) => return Ok(stream),
                Err(refusal) => refused(refusal),
            }
        }
    }
}
