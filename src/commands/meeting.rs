//! Meeting the other side of a transfer, whoever comes first: who finds no server becomes it.
//!
//! Two that want the same (two senders, two receivers) can meet too. Then the one that serves goes on serving,
//! and the other stays connected, silent, until it has gone: by that it learns when to look again.

use std::io;
use std::time::Duration;

use anyhow::{Context, Result};

use super::options::{ConnectionOptions, MeetingOptions};
use super::transfers::{Side, TransferOptions};
use crate::interrupt::{self, Cleanup};
use crate::os::{Access, OwnedName, Peer, Seen, Sink, Wake};
use crate::pipe::{Clock, Listener, Manner, PipeStream, Seek, Waited, within};
use crate::transfer::Channel;
use crate::transfer::wire::Role;
use crate::{exit, stderr};

mod greet;

/// The longest pause between two looks while nobody is there.
const PAUSE: Duration = Duration::from_millis(15);

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
    /// Never given: nothing but somebody who comes ends a wait here.
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

    /// Is there time left to wait?
    fn in_time(&self, clock: &Clock, was_connected: bool) -> Result<()> {
        if !clock.is_over() {
            return Ok(());
        }
        let after = within(self.options.wait.limit().unwrap_or_default());
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
