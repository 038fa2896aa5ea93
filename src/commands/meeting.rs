//! Meeting the other side of a transfer, whoever comes first: who finds no server becomes it.
//!
//! Two that want the same (two senders, two receivers) can meet too. Then the one that serves goes on serving,
//! and the other stays connected, silent, until it has gone: by that it learns when to look again.

use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow};

use super::clock::Clock;
use super::options::{ConnectionOptions, MeetingOptions};
use super::transfers::{Side, TransferOptions, in_words};
use crate::interrupt::{self, Cleanup};
use crate::os::{Access, OwnedName, Peer, Seen, Sink, Wake};
use crate::pipe::{Listener, Manner, PipeStream, Seek, Waited, peer_name};
use crate::transfer::wire::{HANDS_FILES, Role};
use crate::transfer::{Channel, Greeting, Met, Trouble};
use crate::{exit, os, stderr};

/// The longest pause between two looks while nobody is there.
const PAUSE: Duration = Duration::from_millis(15);
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

/// A place where the other side is met, once or again and again.
pub(super) struct Meeting<'a> {
    options: &'a MeetingOptions,
    connection: &'a ConnectionOptions,
    manner: Manner,
    role: Role,
    /// Without it both say hello first.
    plain: bool,
    side: Side,
    /// Is one after another met here?
    many: bool,
    seek: Seek,
    name: OwnedName,
    _removed_at_death: Cleanup,
    wake: Wake,
    listener: Option<Listener>,
    rivals: Vec<Channel>,
}

/// Whom we have met.
pub(super) struct Encounter {
    pub(super) channel: Channel,
    pub(super) peer: Option<Peer>,
    /// Can both hand files over themselves?
    pub(super) hands_files: bool,
}

/// What a look has brought.
enum Look {
    Found(PipeStream),
    NobodyReads,
    Nothing,
}

impl<'a> Meeting<'a> {
    /// Nothing is opened yet but handles that were inherited: they have to be taken before others get their
    /// numbers.
    pub(super) fn new(options: &'a TransferOptions, role: Role, many: bool) -> Result<Self> {
        let apart = options.apart();
        let manner = options.manner(role);
        let name = OwnedName::default();
        let removed_at_death = interrupt::at_death({
            let name = name.clone();
            move || name.remove()
        });
        let options_of_meeting = &options.meeting;
        Ok(Meeting {
            options: options_of_meeting,
            connection: &options.connection,
            manner,
            role,
            plain: apart.is_some(),
            side: options.side(),
            many,
            seek: Seek::new(&options_of_meeting.pipe, manner).with_context(|| failed(role, options_of_meeting))?,
            name,
            _removed_at_death: removed_at_death,
            wake: Wake::new().context("could not wait")?,
            listener: None,
            rivals: Vec::new(),
        })
    }

    /// Waits for the next one to talk to. Nothing where nobody reads `stdout` any more.
    pub(super) fn next(&mut self, stdout: Option<&Sink>) -> Result<Option<Encounter>> {
        let mut clock = Clock::new(self.options.wait.limit());
        loop {
            match self.look(&mut clock, stdout)? {
                Look::NobodyReads => return Ok(None),
                Look::Nothing => {}
                Look::Found(pipe) => {
                    let (channel, peer) = self.open(pipe)?;
                    match self.greet(channel, peer, &mut clock, stdout) {
                        Ok(Some(met)) => return Ok(Some(met)),
                        Ok(None) => {}
                        // One client's trouble is not the next one's.
                        Err(error) if self.many && self.serves() => exit::say(&error),
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }

    fn look(&mut self, clock: &mut Clock, stdout: Option<&Sink>) -> Result<Look> {
        if let Some(listener) = &self.listener {
            return self.accept(listener, clock, stdout);
        }
        let attempt = match self.side {
            Side::Server => Ok(Err(Seen::Nothing)),
            Side::Either | Side::Client => self.seek.attempt(),
        };
        let seen = match self.told(attempt)? {
            Ok(pipe) => return Ok(Look::Found(pipe)),
            Err(seen) => seen,
        };
        self.in_time(clock, self.side == Side::Client)?;
        if self.side != Side::Client && matches!(seen, Seen::Nothing | Seen::Stale) && self.begin_to_serve()? {
            return Ok(Look::Nothing);
        }
        if clock.is_due_to_say() {
            self.say_what_we_wait_for();
        }
        Ok(if clock.pause(stdout, PAUSE) { Look::NobodyReads } else { Look::Nothing })
    }

    /// Becomes the server, unless somebody else was faster.
    fn begin_to_serve(&mut self) -> Result<bool> {
        let is_taken =
            |error: &io::Error| matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AlreadyExists);
        match Listener::bind(&self.options.pipe, self.manner, Access::default(), self.many, &self.name) {
            Ok(listener) => self.listener = Some(listener),
            Err(error) if self.side == Side::Either && is_taken(&error) => return Ok(false),
            Err(error) => return self.told(Err(error)),
        }
        if let Ok(place) = self.options.pipe.place() {
            self.connection.notice(|| format!("listening on '{place}'"));
        }
        Ok(true)
    }

    fn accept(&self, listener: &Listener, clock: &mut Clock, stdout: Option<&Sink>) -> Result<Look> {
        let until_notice = clock.until_notice();
        let wait = clock.left().into_iter().chain(until_notice).min();
        let refused = |refusal| stderr::say(&format!("refused a client: {refusal}"));
        match listener.accept(wait, &self.wake, stdout, refused) {
            Ok(Waited::Found(pipe)) => return Ok(Look::Found(pipe)),
            Ok(Waited::NobodyReads) => return Ok(Look::NobodyReads),
            Ok(Waited::Woken) => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            Err(error) => return self.told(Err(error)),
        }
        if clock.is_due_to_say() {
            self.say_what_we_wait_for();
        }
        self.in_time(clock, false)?;
        Ok(Look::Nothing)
    }

    fn serves(&self) -> bool {
        self.listener.is_some()
    }

    /// A channel that goes the way that we need, and who is at its other end.
    fn open(&self, pipe: PipeStream) -> Result<(Channel, Option<Peer>)> {
        let (peer, patience) = (pipe.peer, self.connection.idle_timeout.limit());
        if self.connection.buffer_size.is_none() {
            pipe.enlarge_buffer();
        }
        let channel = Channel::new(pipe.into_ends(self.plain && self.role == Role::Receiver), patience);
        self.check_ways(&channel)?;
        Ok((channel, peer))
    }

    /// Finds out whom we have met; nothing where it is nobody to talk to.
    fn greet(
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
            let patience = [all.left(), idle.left(), silence.until_notice()].into_iter().flatten().min();
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

    /// Is there time left to wait?
    fn in_time(&self, clock: &Clock, was_connected: bool) -> Result<()> {
        if !clock.is_over() {
            return Ok(());
        }
        let wait = self.options.wait.limit().unwrap_or_default();
        let after =
            if wait.is_zero() { String::new() } else { format!(" within {}", humantime::format_duration(wait)) };
        let what = if was_connected { "nobody took us on" } else { "nobody came" };
        self.told(Err(io::Error::new(io::ErrorKind::TimedOut, format!("{what}{after}"))))
    }

    /// Says which pipe it is that something failed with.
    fn told<T>(&self, result: io::Result<T>) -> Result<T> {
        result.with_context(|| failed(self.role, self.options))
    }

    /// Somebody who sits and waits may have mistyped the name. Who gave `--wait` gets an answer anyway.
    fn say_what_we_wait_for(&self) {
        if let (None, Ok(place)) = (self.options.wait.limit(), self.options.pipe.place()) {
            let whom = if self.role == Role::Sender { "receiver" } else { "sender" };
            stderr::say(&format!("waiting for a {whom} at '{place}'"));
        }
    }
}

fn failed(role: Role, options: &MeetingOptions) -> String {
    let what = if role == Role::Sender { "send to" } else { "receive from" };
    format!("could not {what} {}", options.whole_name())
}
