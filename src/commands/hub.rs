//! `serve -k --hub`: what the user may say about it, and what the user is told.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;

use super::options::PipeOptions;
use super::values::{self, Statistics};
use crate::bridge::Finish;
use crate::dump::Dump;
use crate::exit::Exit;
use crate::framing::{Form, Framing};
use crate::hub::{Counts, Event, Failure, Hears, Hub, OnSlow, Terms, Totals, Why, Wire};
use crate::os::{self, Mode, Peer, Sink, Source};
use crate::pipe::{Listener, peer_name};
use crate::progress::{Bar, Meter, Moving, Subject};
use crate::{interrupt, stderr};

/// One server, many clients.
#[derive(Args, Debug)]
pub(crate) struct HubOptions {
    /// With -k: all clients at once. Each gets what stdin brings, stdout what any of them sends; with 'relay'
    /// the other clients get it too. Messages stay whole, or lines where there is no framing
    #[arg(long, value_name = "relay", num_args = 0..=1, require_equals = true, default_missing_value = "stdio",
          hide_possible_values = true,
          value_parser = PossibleValuesParser::new(["stdio", "relay"]).map(|text| hears(&text)))]
    pub(crate) hub: Option<Hears>,

    /// With --hub, a client whose queue is full: misses messages, is disconnected, or all wait for it
    /// [default: drop]
    #[arg(long, value_name = "drop|disconnect|block", hide_possible_values = true,
          value_parser = PossibleValuesParser::new(["drop", "disconnect", "block"]).map(|text| on_slow(&text)))]
    on_slow: Option<OnSlow>,

    /// With --hub, how much may wait for each client, beside what the kernel holds [default: 1MiB]
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    queue: Option<usize>,

    /// With --hub, '#CLIENT ' stands in front of each message on stdout, and says on stdin whom one is for
    /// ('#* ': for all)
    #[arg(long)]
    label: bool,
}

/// What may wait for a client unless told otherwise: some seconds of a busy log.
const QUEUE: usize = 1 << 20;

fn hears(text: &str) -> Hears {
    if text == "relay" { Hears::All } else { Hears::Stdin }
}

fn on_slow(text: &str) -> OnSlow {
    match text {
        "disconnect" => OnSlow::Disconnect,
        "block" => OnSlow::Block,
        _ => OnSlow::Drop,
    }
}

impl HubOptions {
    fn terms(&self, pipe: &PipeOptions, most_clients: Option<NonZeroUsize>, client_timeout: Option<Duration>) -> Terms {
        let (options, messages) = (&pipe.bridge, &pipe.bridge.messages);
        let rules = pipe.rules(true);
        let wire = match (pipe.meeting.mode, messages.framing.framing()) {
            (Some(Mode::Message), _) => Wire::Form(Form::Kept),
            (_, Some(framing)) => Wire::Form(Form::Framed(framing)),
            _ => Wire::Lines,
        };
        let stdio = match messages.stdio() {
            Form::Framed(Framing::Lines) if wire == Wire::Lines => Wire::Lines,
            form => Wire::Form(form),
        };
        Terms {
            hears: self.hub.unwrap_or(Hears::Stdin),
            labelled: self.label,
            on_slow: self.on_slow.unwrap_or(OnSlow::Drop),
            queue: self.queue.unwrap_or(QUEUE),
            most_clients,
            direction: options.direction(),
            passes_ends: rules.finish == Finish::Auto,
            wait: pipe.meeting.wait.limit(),
            idle_timeout: rules.idle_timeout,
            quit_after: rules.quit_after,
            client_timeout,
            wire,
            stdio,
            count: messages.count,
            largest: messages.framing.max_message,
            strips_bom: messages.strip_bom,
        }
    }

    /// Serves all clients until nobody reads stdout, or a signal ends us.
    pub(crate) fn run(
        &self,
        pipe: &PipeOptions,
        listener: &Listener,
        most_clients: Option<NonZeroUsize>,
        client_timeout: Option<Duration>,
    ) -> Result<Exit> {
        os::raise_handle_limit();
        let options = &pipe.bridge;
        let terms = self.terms(pipe, most_clients, client_timeout);
        let dump = Dump::open(options.hex, options.log.as_deref())
            .with_context(|| format!("could not write to {}", options.log_name()))?;
        let totals = Arc::new(Totals::new());
        let summary = {
            let (totals, format, name) = (Arc::clone(&totals), options.connection.stats, pipe.meeting.pipe.to_string());
            move || total(&totals, format, &name)
        };
        let told_at_death = interrupt::at_death({
            let summary = summary.clone();
            move || os::try_say(&summary())
        });
        let bar = Bar::follow(Arc::clone(&totals.meter), Arc::new(Subject::new(Moving::Both, None)), options.progress);
        let teller = Teller { pipe, terms: &terms, name: pipe.meeting.pipe.to_string() };
        let tell = |event: Event<'_>| teller.tell(event);
        let ended = Hub::new(&terms, listener, (Source::stdin(), Sink::stdout()), &dump, &totals, &tell).run();
        drop((told_at_death, bar));
        stderr::show(&summary());
        match (ended, dump.take_error()) {
            (Err(failure), _) => Err(in_words(failure, pipe)),
            (Ok(()), Some(error)) => {
                Err(error).with_context(|| format!("could not write all to {}", options.log_name()))
            }
            (Ok(()), None) => Ok(Exit::StdoutClosed),
        }
    }
}

/// Puts what happens into words.
struct Teller<'a> {
    pipe: &'a PipeOptions,
    terms: &'a Terms,
    name: String,
}

impl Teller<'_> {
    fn tell(&self, event: Event<'_>) {
        let (options, name) = (&self.pipe.bridge, &self.name);
        match event {
            Event::Came { number, pipe, now } => {
                options.notice(|| format!("client #{number} connected: {} ({})", peer_name(pipe.peer), clients(now)));
            }
            Event::Left { number, peer, meter, counts, why, now } => {
                self.tell_of_limit(number, why);
                stderr::show(&line(meter, counts, options.connection.stats, name, number, peer));
                options.notice(|| {
                    let counted = if options.connection.stats.is_some() {
                        String::new()
                    } else {
                        format!(": {}", counted(meter, counts))
                    };
                    format!("client #{number} {}{counted} ({})", ended(why), clients(now))
                });
            }
            Event::Refused(refusal) => stderr::say(&format!("refused a client: {refusal}")),
            Event::Malformed { number, why } => {
                stderr::say(&format!("could not take what client #{number} of '{name}' sent: {why}"));
            }
            Event::Unsaid { message, why } => {
                stderr::say(&format!("could not send message {message} of stdin to '{name}': it {why}"));
            }
            Event::Missed { number, messages } => {
                options.notice(|| format!("client #{number} is not there: {messages} for it dropped"));
            }
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
        stderr::say(&format!("could not go on with client #{number} of '{}': {reason}", self.name));
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
            line["peer"] = peer.map(|peer| json!({ "uid": peer.user, "gid": peer.group, "pid": peer.pid })).into();
            format!("{line}\n")
        }
    }
}

/// The one line at the end.
fn total(totals: &Totals, format: Option<Statistics>, pipe: &str) -> String {
    let (came, disconnected) = totals.clients();
    match format {
        None => String::new(),
        Some(Statistics::Text) => stderr::line(&format!(
            "{}, {disconnected} of them too slow: {}",
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

fn in_words(failure: Failure, pipe: &PipeOptions) -> Error {
    let serving = || format!("could not serve {}", pipe.meeting.whole_name());
    match failure {
        Failure::Wait(error) | Failure::Accept(error) => Error::from(error).context(serving()),
        Failure::NobodyCame(wait) => {
            let within =
                if wait.is_zero() { String::new() } else { format!(" within {}", humantime::format_duration(wait)) };
            let why = io::Error::new(io::ErrorKind::TimedOut, format!("no client came{within}"));
            Error::from(why).context(serving())
        }
        Failure::Stdin(error) => Error::from(error).context("could not read 'stdin'"),
        Failure::Stdout(error) => Error::from(error).context("could not write to 'stdout'"),
        Failure::Malformed(why) => anyhow!("could not read from 'stdin': {why}"),
    }
}
