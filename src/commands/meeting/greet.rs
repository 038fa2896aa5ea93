//! Finding out whom one has met: the hello, and what to do with somebody who is nobody to talk to.

use std::time::{Duration, Instant};

use anyhow::{Error, Result, anyhow};

use super::{Encounter, Meeting, PAUSE, failed};
use crate::commands::transfers::in_words;
use crate::os::{Peer, Sink};
use crate::pipe::{Clock, PipeStream, peer_name};
use crate::transfer::wire::{HANDS_FILES, Role};
use crate::transfer::{Channel, Greeting, Met, Trouble};
use crate::{os, stderr};

/// The longest pause after a server that took us on and let us go without a word: it may do so again.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A client says hello at once: one that has not after so long has nothing to say.
const CLIENT_TAKES: Duration = Duration::from_secs(5);
/// A server may be busy with others for as long as `--wait` gives it; but to say hello it gets no less than this.
const SERVER_TAKES: Duration = Duration::from_secs(1);
/// A connection that ends as soon was not kept.
const LET_GO_WITHIN: Duration = Duration::from_millis(5);
/// So many that want the same as we stay connected; others have to come again and again.
const MOST_RIVALS: usize = 64;

impl Meeting<'_> {
    /// A channel that goes the way that we need, and who is at its other end.
    pub(super) fn open(&self, pipe: PipeStream) -> Result<(Channel, Option<Peer>)> {
        let (peer, patience) = (pipe.peer, self.connection.idle_timeout.limit());
        if self.connection.buffer_size.is_none() {
            pipe.enlarge_buffer();
        }
        self.connection.notice_buffer(&pipe);
        let channel = Channel::new(pipe.into_ends(self.plain && self.role == Role::Receiver), patience);
        self.check_ways(&channel)?;
        Ok((channel, peer))
    }

    /// Finds out whom we have met; nothing where it is nobody to talk to.
    pub(super) fn greet(
        &mut self,
        channel: Channel,
        peer: Option<Peer>,
        clock: &mut Clock,
        stdout: Option<&Sink>,
    ) -> Result<Option<Encounter>> {
        // A descriptor outlives what its file's permissions say: it is for nobody but this user.
        let trusted = os::hands_files() && peer.is_some_and(|peer| peer.user == os::current_user());
        let capabilities = if trusted { HANDS_FILES } else { 0 };
        let (met, mut channel, common) =
            if self.plain { (Met::Partner, channel, 0) } else { self.say_hello(channel, capabilities, clock)? };
        match met {
            Met::Partner => {
                self.connection.notice(|| format!("connected to {}", peer_name(peer)));
                channel.set_patience(self.connection.idle_timeout.limit());
                if !self.many {
                    // The next server can start, and who came in vain looks for it.
                    self.listener = None;
                    self.rivals.clear();
                }
                return Ok(Some(Encounter { channel, peer, hands_files: common & HANDS_FILES != 0 }));
            }
            Met::Rival if self.serves() => self.keep(channel),
            Met::Rival => self.wait_for_end(channel, clock, stdout)?,
            Met::Leaver | Met::Nobody if self.serves() => {}
            Met::Stranger | Met::Leaver => {
                // What it has said is for nobody: it is to know that.
                channel.leave_abruptly();
                return Err(self.stranger());
            }
            Met::Nobody => drop(clock.pause(stdout, LONGEST_PAUSE)),
        }
        Ok(None)
    }

    /// Both say hello, and may take their time for it.
    fn say_hello(&self, channel: Channel, capabilities: u32, clock: &Clock) -> Result<(Met, Channel, u32)> {
        let words = |trouble| in_words(trouble, &self.options.pipe, "", self.role);
        let mut greeting = Greeting::new(channel, self.role, capabilities).map_err(words)?;
        let idle = Clock::new(self.connection.idle_timeout.limit());
        let limit = if self.serves() { Some(CLIENT_TAKES) } else { clock.left().map(|left| left.max(SERVER_TAKES)) };
        let (all, mut silence) = (Clock::new(limit), Clock::new(None));
        loop {
            // Only a client gives this notice. A server that waited for its time would never reset it, and would spin.
            let notice = if self.serves() { None } else { silence.until_notice() };
            let patience = [all.left(), idle.left(), notice].into_iter().flatten().min();
            match greeting.wait(patience).map_err(words)? {
                Some(met) => {
                    let common = greeting.common();
                    return Ok((met, greeting.into_channel(), common));
                }
                None if idle.is_over() => return Err(words(Trouble::Silent)),
                None if all.is_over() && self.serves() => {
                    stderr::say(&format!("a client of '{}' has said nothing, and is let go", self.options.pipe));
                    return Ok((Met::Leaver, greeting.into_channel(), 0));
                }
                None if all.is_over() => return self.in_time(clock, true).and(Err(words(Trouble::Silent))),
                None => {}
            }
            if !self.serves() && silence.is_due_to_say() && self.options.wait.limit().is_none() {
                stderr::say(&format!(
                    "no word from the other side of '{}' yet: it is busy, or knows no transfers ('-f none' is for such)",
                    self.options.pipe
                ));
            }
        }
    }

    /// Somebody that wants the same waits until we have gone.
    fn keep(&mut self, channel: Channel) {
        let is_there = |rival: &Channel| rival.sink().is_some_and(|sink| !sink.closes_within(Duration::ZERO));
        self.rivals.retain(is_there);
        if self.rivals.len() < MOST_RIVALS {
            self.rivals.push(channel);
        }
    }

    /// Waits until a server that wants the same as we has gone.
    fn wait_for_end(&self, mut rival: Channel, clock: &mut Clock, stdout: Option<&Sink>) -> Result<()> {
        let start = Instant::now();
        loop {
            let wait = clock.left().into_iter().chain(clock.until_notice()).min();
            rival.set_patience(wait);
            match rival.hear(stdout) {
                Err(Trouble::Silent) => {}
                _ => break,
            }
            if clock.is_due_to_say() {
                self.say_what_we_wait_for();
            }
            self.in_time(clock, false)?;
        }
        // One with too many rivals lets us go at once: it is not to be asked all the time.
        let was_let_go = start.elapsed() < LET_GO_WITHIN;
        clock.pause(stdout, if was_let_go { LONGEST_PAUSE } else { PAUSE });
        Ok(())
    }

    /// Does the pipe go the way that we need?
    fn check_ways(&self, channel: &Channel) -> Result<()> {
        let pipe = &self.options.pipe;
        match self.role {
            Role::Sender if !channel.speaks() => Err(anyhow!("could not send to '{pipe}': it can only be read")),
            Role::Receiver if !channel.hears() => {
                Err(anyhow!("could not receive from '{pipe}': it can only be written to"))
            }
            Role::Receiver if self.many && !self.plain && !channel.speaks() => Err(anyhow!(
                "could not receive from '{pipe}': its senders are one stream, in which '-k' cannot tell them apart"
            )),
            _ => Ok(()),
        }
    }

    fn stranger(&self) -> Error {
        let way = if self.role == Role::Sender { "sends" } else { "receives" };
        anyhow!(
            "{}: the other side knows no transfers; '-f none' {way} plain bytes, '-f FRAMING' messages",
            failed(self.role, self.options)
        )
    }
}
