//! What a hub's user is told: on stderr as it happens, and at the end.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Error, anyhow};
use serde_json::json;

use crate::commands::options::PipeOptions;
use crate::commands::values::{self, Statistics};
use crate::dump::Dump;
use crate::hub::{Counts, Event, Failure, Terms, Totals, Why};
use crate::os::{self, Peer};
use crate::pipe::{nobody_came, peer_name};
use crate::progress::Meter;
use crate::{exit, stderr};

/// How long all clients wait for a stderr that is full, once.
const A_MOMENT: Duration = Duration::from_secs(1);

/// Puts what happens into words.
pub(super) struct Teller<'a> {
    pipe: &'a PipeOptions,
    terms: &'a Terms,
    dump: &'a Dump,
    name: String,
    /// Lines that stderr had no room for.
    missing: Cell<u64>,
    /// Is the log incomplete?
    pub(super) log_failed: Cell<bool>,
}

impl<'a> Teller<'a> {
    pub(super) fn new(pipe: &'a PipeOptions, terms: &'a Terms, dump: &'a Dump) -> Self {
        let name = pipe.meeting.pipe.to_string();
        Teller { pipe, terms, dump, name, missing: Cell::new(0), log_failed: Cell::new(false) }
    }

    pub(super) fn tell(&self, event: Event<'_>) {
        self.tell_of_log();
        let (connection, name) = (&self.pipe.bridge.connection, &self.name);
        match event {
            Event::Came { number, pipe, now } => {
                self.notice(|| format!("client #{number} connected: {} ({})", peer_name(pipe.peer), clients(now)));
            }
            Event::Left { number, peer, meter, counts, why, now } => {
                self.tell_of_limit(number, why);
                self.show(&line(meter, counts, connection.stats, name, number, peer));
                self.notice(|| {
                    let counted = if connection.stats.is_some() {
                        String::new()
                    } else {
                        format!(": {}", counted(meter, counts))
                    };
                    format!("client #{number} {}{counted} ({})", ended(why), clients(now))
                });
            }
            Event::Refused(refusal) => self.say(&format!("refused a client: {refusal}")),
            Event::Malformed { number, why } => {
                self.say(&format!("could not take what client #{number} of '{name}' sent: {why}"));
            }
            Event::Unsaid { message, why } => {
                self.say(&format!("could not send message {message} of stdin to '{name}': it {why}"));
            }
            Event::Missed { number, messages } => {
                self.notice(|| format!("client #{number} is not there: {messages} for it dropped"));
            }
        }
    }

    fn notice(&self, line: impl FnOnce() -> String) {
        if self.pipe.bridge.connection.verbose {
            self.say(&line());
        }
    }

    fn say(&self, line: &str) {
        self.show(&stderr::line(line));
    }

    /// Whoever reads stderr slowly, or not at all, is not to hold up all clients: they have one thread.
    fn show(&self, text: &str) {
        // One that has just stopped gets a moment, one that has not gone on since then none.
        let patience = if self.missing.get() == 0 { A_MOMENT } else { Duration::ZERO };
        if !os::stderr_has_room(patience) {
            self.missing.set(self.missing.get() + 1);
            return;
        }
        let before = match self.missing.take() {
            0 => String::new(),
            missing => stderr::line(&format!("stderr was full: {missing} lines are missing here")),
        };
        stderr::show(&(before + text));
    }

    /// A hub may go on for ever: that its log is incomplete is said at once.
    pub(super) fn tell_of_log(&self) {
        if let Some(error) = self.dump.take_error() {
            self.log_failed.set(true);
            let log = self.pipe.bridge.log_name();
            self.say(&exit::in_one_line(&Error::from(error).context(format!("could not write all to {log}"))));
        }
    }

    /// A limit that was reached is said, as it is where clients come one after another.
    fn tell_of_limit(&self, number: u64, why: Why) {
        let what = |limit: Option<Duration>| humantime::format_duration(limit.unwrap_or_default());
        let reason = match why {
            Why::Idle => format!("no byte has moved for {}", what(self.terms.idle_timeout)),
            Why::TimeOver => format!("its time of {} is over", what(self.terms.client_timeout)),
            _ => return,
        };
        self.say(&format!("could not go on with client #{number} of '{}': {reason}", self.name));
    }
}

fn clients(now: usize) -> String {
    if now == 1 { "1 client".to_owned() } else { format!("{now} clients") }
}

fn ended(why: Why) -> &'static str {
    match why {
        Why::TooSlow => "disconnected, being too slow",
        Why::Unread => "closed without reading all",
        Why::Malformed => "disconnected",
        Why::Over | Why::Enough | Why::Idle | Why::QuitAfter | Why::TimeOver => "closed",
    }
}

/// Bytes, then messages, for people.
fn counted(meter: &Meter, counts: Counts) -> String {
    let Counts { sent, received, dropped } = counts;
    format!("{meter}; messages: {sent} sent, {received} received, {dropped} dropped")
}

fn line(
    meter: &Meter,
    counts: Counts,
    format: Option<Statistics>,
    pipe: &str,
    number: u64,
    peer: Option<Peer>,
) -> String {
    match format {
        None => String::new(),
        Some(Statistics::Text) => stderr::line(&format!("client #{number}: {}", counted(meter, counts))),
        Some(Statistics::Json) => {
            let mut line = numbers(meter, counts, pipe);
            line["client"] = number.into();
            line["peer"] = values::peer_in_json(peer);
            format!("{line}\n")
        }
    }
}

/// The one line at the end.
pub(super) fn total(totals: &Totals, format: Option<Statistics>, pipe: &str) -> String {
    let (came, disconnected) = totals.clients();
    match format {
        None => String::new(),
        Some(Statistics::Text) => stderr::line(&format!(
            "{}, {disconnected} of them disconnected as too slow: {}",
            clients(usize::try_from(came).unwrap_or(usize::MAX)),
            counted(&totals.meter, totals.counts())
        )),
        Some(Statistics::Json) => {
            let mut line = numbers(&totals.meter, totals.counts(), pipe);
            line["clients"] = came.into();
            line["disconnected"] = disconnected.into();
            format!("{line}\n")
        }
    }
}

fn numbers(meter: &Meter, counts: Counts, pipe: &str) -> serde_json::Value {
    json!({
        "pipe": pipe,
        "sent": meter.sent(),
        "received": meter.received(),
        "messages_sent": counts.sent,
        "messages_received": counts.received,
        "dropped": counts.dropped,
        "seconds": meter.elapsed().as_secs_f64(),
    })
}

pub(super) fn in_words(failure: Failure, pipe: &PipeOptions) -> Error {
    let serving = || format!("could not serve {}", pipe.meeting.whole_name());
    match failure {
        Failure::Wait(error) | Failure::Accept(error) => Error::from(error).context(serving()),
        Failure::NobodyCame(wait) => Error::from(nobody_came(wait)).context(serving()),
        Failure::Stdin(error) => Error::from(error).context("could not read 'stdin'"),
        Failure::Stdout(error) => Error::from(error).context("could not write to 'stdout'"),
        Failure::Malformed(why) => anyhow!("could not read from 'stdin': {why}"),
    }
}
