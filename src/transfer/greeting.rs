//! Finding out whom there is to talk to: both sides say hello, and neither says more before it has heard the
//! other's.

use std::time::Duration;

use super::wire::{HELLO_SIZE, Hello, Role, VERSION, may_be_hello};
use super::{Channel, Trouble};

/// A channel on which we have said hello, and listen.
#[derive(Debug)]
pub(crate) struct Greeting {
    channel: Channel,
    ours: Hello,
    heard: Vec<u8>,
}

/// Whom we have met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    /// Somebody of the other role.
    Partner,
    /// Somebody who wants the same as we: both have to go on waiting.
    Rival,
    /// Somebody who does not speak this protocol, as the first bytes show.
    Stranger,
    /// Somebody who left without a word.
    Leaver,
    /// Nobody: a server that let us wait, and then served no more.
    Nobody,
}

impl Greeting {
    /// Says hello as a `role` with such capabilities.
    pub(crate) fn new(mut channel: Channel, role: Role, capabilities: u32) -> Result<Self, Trouble> {
        let ours = Hello { version: VERSION, role, capabilities };
        if channel.speaks() {
            match channel.say(&ours.bytes()) {
                // It may have said something before it left.
                Ok(()) | Err(Trouble::Gone | Trouble::Reset) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(Greeting { channel, ours, heard: Vec::new() })
    }

    /// Waits for the other's hello, for `patience`: nothing if there was none yet.
    pub(crate) fn wait(&mut self, patience: Option<Duration>) -> Result<Option<Met>, Trouble> {
        if !self.channel.hears() {
            return Ok(Some(Met::Partner));
        }
        self.channel.set_patience(patience);
        while self.heard.len() < HELLO_SIZE {
            match self.channel.hear(None) {
                Ok(None) if self.heard.is_empty() => return Ok(Some(Met::Leaver)),
                Ok(None) => return Ok(Some(Met::Stranger)),
                Ok(Some(words)) => {
                    let count = words.len().min(HELLO_SIZE - self.heard.len());
                    self.heard.extend_from_slice(&words[..count]);
                    self.channel.heard(count);
                }
                Err(Trouble::Silent) => return Ok(None),
                Err(Trouble::Reset) if self.heard.is_empty() => return Ok(Some(Met::Nobody)),
                Err(trouble) => return Err(trouble),
            }
            if !may_be_hello(&self.heard) {
                return Ok(Some(Met::Stranger));
            }
        }
        Ok(Some(self.met()))
    }

    /// The channel, now that it is known who is there.
    pub(crate) fn into_channel(self) -> Channel {
        self.channel
    }

    /// What both can do.
    pub(crate) fn common(&self) -> u32 {
        self.theirs().map_or(0, |theirs| theirs.capabilities & self.ours.capabilities)
    }

    fn theirs(&self) -> Option<Hello> {
        self.heard.first_chunk().and_then(|bytes| Hello::parse(bytes).ok())
    }

    fn met(&self) -> Met {
        match self.theirs() {
            Some(theirs) if theirs.role == self.ours.role => Met::Rival,
            Some(_) => Met::Partner,
            None => Met::Stranger,
        }
    }
}
