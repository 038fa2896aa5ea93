//! Serving: a pipe that clients connect to, and which of them are let in.

use std::io;
use std::time::{Duration, Instant};

use super::{Manner, PeerRule, PipeAddress, PipeStream, Waited};
use crate::os::{self, Accepted, Access, HandedOver, Instances, Mode, OwnedName, Sink, Wake};

/// A pipe that we serve. Its name is removed on drop, if it is still ours.
#[derive(Debug)]
pub(crate) struct Listener {
    inner: os::Listener,
    manner: Manner,
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
        manner: Manner,
        access: Access,
        many: bool,
        name: &OwnedName,
    ) -> io::Result<Self> {
        let rule = manner.rule.unwrap_or_else(|| address.rule_of_clients());
        let others = rule != PeerRule::same_user();
        let instances = Instances { others, buffer_size: manner.buffer_size, ..access.instances };
        let access = Access { instances, ..access };
        Ok(Listener {
            inner: os::Listener::bind(
                &address.place()?,
                manner.mode.unwrap_or(Mode::Byte),
                manner.way(),
                manner.fifo_way(),
                access,
                many,
                name,
            )?,
            manner,
            rule,
        })
    }

    /// Takes over the socket that was made for us at `address`, or under its bare name. With what to call it.
    ///
    /// # Errors
    /// `InvalidInput` where no such socket was handed over.
    pub(crate) fn inherited(handed: HandedOver, address: &PipeAddress, manner: Manner) -> io::Result<(Self, String)> {
        let called = match address {
            PipeAddress::Name(name) => name.to_str(),
            _ => None,
        };
        let mode = manner.mode.unwrap_or(Mode::Byte);
        let (inner, what) = os::Listener::inherited(handed, &address.place()?, called, mode)?;
        let rule = manner.rule.unwrap_or_else(|| address.rule_of_clients());
        Ok((Listener { inner, manner, rule }, what))
    }

    /// Is it a FIFO, which all its clients share?
    pub(crate) fn is_fifo(&self) -> bool {
        self.inner.is_fifo()
    }

    /// Waits for the next client that may talk to us. One that may not is closed before a byte moves,
    /// told to `refused`, and does not end the wait. `wake` does, and that nobody reads `stdout`.
    ///
    /// # Errors
    /// `TimedOut` when none came within `wait`.
    pub(crate) fn accept(
        &self,
        wait: Option<Duration>,
        wake: &Wake,
        stdout: Option<&Sink>,
        mut refused: impl FnMut(io::Error),
    ) -> io::Result<Waited> {
        let start = Instant::now();
        loop {
            let left = wait.map(|wait| wait.saturating_sub(start.elapsed()));
            let stream = match self.inner.accept(left, wake, stdout)? {
                Accepted::Client(stream) => stream,
                Accepted::Woken => return Ok(Waited::Woken),
                Accepted::NobodyReads => return Ok(Waited::NobodyReads),
                Accepted::TimedOut => return Err(nobody_came(wait.unwrap_or_default())),
            };
            match PipeStream::checked(stream, &self.manner, self.rule) {
                Ok(stream) => return Ok(Waited::Found(stream)),
                Err(refusal) => refused(refusal),
            }
        }
    }

    /// A client that is there already and may talk to us. One that may not is closed and told to `refused`.
    ///
    /// # Errors
    /// `ResourceBusy` where it has to wait until a file descriptor is free.
    pub(crate) fn take_waiting(&self, refused: impl FnOnce(io::Error)) -> io::Result<Option<PipeStream>> {
        let Some(stream) = self.inner.take_waiting()? else { return Ok(None) };
        match PipeStream::checked(stream, &self.manner, self.rule) {
            Ok(stream) => Ok(Some(stream)),
            Err(refusal) => {
                refused(refusal);
                Ok(None)
            }
        }
    }

    /// What the lookout watches.
    pub(crate) fn entrance(&self) -> &os::Listener {
        &self.inner
    }
}

pub(crate) fn nobody_came(wait: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no client came{}", within(wait)))
}

/// The end of a sentence about what has not happened; who tries once needs none.
pub(crate) fn within(wait: Duration) -> String {
    if wait.is_zero() { String::new() } else { format!(" within {}", humantime::format_duration(wait)) }
}
