//! One connection, as serve and connect have it: said with -v, counted, shown, moved, and its failures
//! put into the user's words.

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow};
use serde_json::json;

use super::messenger::Messenger;
use super::options::BridgeOptions;
use super::values::{self, Statistics};
use crate::bridge::{Failure, Finish, Local, LocalKind, Messages, Observer, Rules, Session, bridge};
use crate::dump::Dump;
use crate::exit::Exit;
use crate::framing::{Form, Translator};
use crate::os::{self, Mode, Peer, Sink, Source};
use crate::pipe::{PipeEnds, PipeStream, peer_name};
use crate::progress::{Bar, Meter, Moving, Subject};
use crate::{interrupt, stderr};

/// What belongs to all sessions of a process.
#[derive(Debug)]
pub(crate) struct Sessions<'a> {
    options: &'a BridgeOptions,
    /// The other side, as the user calls it.
    name: String,
    dump: Dump,
    count: AtomicU64,
}

impl<'a> Sessions<'a> {
    /// Opens what `options` ask for besides the pipe.
    pub(crate) fn new(options: &'a BridgeOptions, name: impl Display) -> Result<Self> {
        let log = options.log.as_deref();
        let dump =
            Dump::open(options.hex, log).with_context(|| format!("could not write to {}", options.log_name()))?;
        Ok(Sessions { options, name: name.to_string(), dump, count: AtomicU64::new(0) })
    }

    /// Bridges `pipe` to the local side until the session is over; one that was idle for too long has
    /// failed.
    pub(crate) fn hold(&self, local: &mut Local, pipe: PipeStream, rules: &Rules) -> Result<Session> {
        let peer = pipe.peer;
        self.options.connection.notice_buffer(&pipe);
        self.hold_ends(local, pipe.into_ends(rules.finish == Finish::Auto), peer, || peer_name(peer), rules)
    }

    /// The same for a pipe that is no connection.
    pub(crate) fn hold_ends(
        &self,
        local: &mut Local,
        pipe: PipeEnds,
        peer: Option<Peer>,
        name_of_peer: impl FnOnce() -> String,
        rules: &Rules,
    ) -> Result<Session> {
        let options = self.options;
        let number = self.count.fetch_add(1, SeqCst) + 1;
        let meter = Arc::new(Meter::start());
        let summary = {
            let (meter, format, name) = (Arc::clone(&meter), options.connection.stats, self.name.clone());
            move || statistics(&meter, format, &name, peer)
        };
        let told_at_death = interrupt::at_death({
            let summary = summary.clone();
            move || os::try_say(&summary())
        });
        options.notice(|| format!("connected to {}", name_of_peer()));
        let subject = Arc::new(Subject::new(Moving::Both, local.length()));
        let bar = Bar::follow(Arc::clone(&meter), subject, options.progress);

        let (sent, received) = (self.dump.direction(number, ">"), self.dump.direction(number, "<"));
        let shown = self.dump.is_wanted();
        let observer =
            Observer { meter: &meter, sent: shown.then_some(&sent as _), received: shown.then_some(&received as _) };
        let mut messengers = self.messengers(&pipe, local, &observer)?;
        let observer =
            if messengers.is_some() { Observer { sent: None, received: None, ..observer } } else { observer };
        let messages = messengers
            .as_mut()
            .map(|(to_peer, from_peer)| Messages { to_peer: to_peer as _, from_peer: from_peer as _ });
        let has_answers = pipe.direction.receives();
        let ended = bridge(local, pipe, &self.counted(rules), &observer, messages);
        let received = messengers.as_ref().map(|(_, from_peer)| from_peer.count());
        let is_stuck = messengers.as_ref().is_some_and(|(to_peer, _)| to_peer.is_stuck());
        local.unsent = messengers.filter(|_| rules.keep_open).map(|(to_peer, _)| to_peer.into_unsent());

        drop((told_at_death, bar));
        stderr::show(&summary());
        options
            .notice(|| if options.connection.stats.is_some() { "closed".into() } else { format!("closed: {meter}") });
        match (ended, self.dump.take_error()) {
            (Ok(Session::Idle), _) => Err(self.idle()),
            (Ok(Session::TimeOver), _) => Err(self.time_over(rules.time_limit)),
            (Ok(_), Some(error)) => {
                Err(error).with_context(|| format!("could not write all to {}", options.log_name()))
            }
            (Ok(session), None) => match (options.messages.count, received) {
                (Some(wanted), Some(received)) if has_answers && received < wanted => Err(anyhow!(
                    "could not receive {wanted} messages from '{}': the peer ended after {received}",
                    self.name
                )),
                _ => Ok(session),
            },
            // What stdin has is no such messages, for any other peer either.
            (Err(Failure::Malformed(why)), _) if is_stuck => Err(Fatal(why).into()),
            (Err(failure), _) => Err(in_words(failure, &self.name, local.kind)),
        }
    }

    /// With `-n` we leave when all have come, and the end of stdin is none before.
    fn counted(&self, rules: &Rules) -> Rules {
        match self.options.messages.count {
            Some(_) => Rules { finish: Finish::Never, forgives_loss: true, ..*rules },
            None => *rules,
        }
    }

    /// What makes messages of the bytes, to the peer and from it, where that is wanted.
    fn messengers<'b>(
        &self,
        pipe: &PipeEnds,
        local: &mut Local,
        shown: &Observer<'b>,
    ) -> Result<Option<(Messenger<'b>, Messenger<'b>)>> {
        let wanted = &self.options.messages;
        let form = match (pipe.mode, wanted.framing.framing()) {
            // A --framing has asked for a byte pipe.
            (Mode::Message, _) => Form::Kept,
            (Mode::Byte, Some(framing)) => Form::Framed(framing),
            (Mode::Byte, None) if wanted.is_asked_for() => {
                let why = "it carries bytes, in which a '--framing' tells them apart";
                let why = Error::from(io::Error::new(io::ErrorKind::InvalidInput, why));
                return Err(why.context(Fatal(format!("could not find messages on '{}'", self.name))));
            }
            (Mode::Byte, None) => return Ok(None),
        };
        let (input, output) = match local.kind {
            LocalKind::Command => ("COMMAND", "COMMAND"),
            LocalKind::Filter | LocalKind::Terminal => ("stdin", "stdout"),
        };
        let said = wanted.stdio_on(local.source.as_ref().is_some_and(Source::keeps_messages));
        let heard = wanted.stdio_on(local.sink.as_ref().is_some_and(Sink::keeps_messages));
        if let (Form::Kept, Some(sink)) = (heard, &mut local.sink) {
            sink.write_messages();
        }
        let largest = wanted.framing.max_message;
        let begun = local.unsent.take();
        let to_peer = begun.unwrap_or_else(|| Translator::new(said, form, largest).showing(shown.sent.is_some()));
        let from_peer = Translator::new(form, heard, largest)
            .at_most(wanted.count)
            .without_bom(wanted.strip_bom)
            .showing(shown.received.is_some());
        Ok(Some((
            Messenger::new(to_peer, shown.sent, input, &self.name),
            Messenger::new(from_peer, shown.received, &self.name, output),
        )))
    }

    fn time_over(&self, limit: Option<Duration>) -> Error {
        let limit = humantime::format_duration(limit.unwrap_or_default());
        anyhow!(io::Error::new(io::ErrorKind::TimedOut, format!("the client's time of {limit} is over")))
            .context(format!("could not go on with '{}'", self.name))
    }

    fn idle(&self) -> Error {
        let limit = humantime::format_duration(self.options.connection.idle_timeout.limit().unwrap_or_default());
        anyhow!(io::Error::new(io::ErrorKind::TimedOut, format!("no byte has moved for {limit}")))
            .context(format!("could not go on with '{}'", self.name))
    }
}

/// The one line at the end.
fn statistics(meter: &Meter, format: Option<Statistics>, pipe: &str, peer: Option<Peer>) -> String {
    match format {
        None => String::new(),
        Some(Statistics::Text) => stderr::line(&meter.to_string()),
        Some(Statistics::Json) => {
            let line = json!({
                "pipe": pipe,
                "sent": meter.sent(),
                "received": meter.received(),
                "seconds": meter.elapsed().as_secs_f64(),
                "peer": values::peer_in_json(peer),
            });
            format!("{line}\n")
        }
    }
}

/// How the program ends after a session that did not fail.
pub(crate) fn exit_of(session: &Session) -> Exit {
    match session {
        Session::StdoutClosed => Exit::StdoutClosed,
        Session::Over | Session::QuitAfter | Session::Idle | Session::TimeOver => Exit::Done,
    }
}

/// Is it a failure with which no other client could be served?
pub(crate) fn is_fatal(error: &Error) -> bool {
    error.downcast_ref::<Fatal>().is_some()
}

/// Marks such failures: those of stdin and stdout, and of what the command line asks for.
#[derive(Debug)]
struct Fatal(String);

impl Display for Fatal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fatal {}

fn in_words(failure: Failure, pipe: &str, local: LocalKind) -> Error {
    let (input, output) = match local {
        LocalKind::Command => ("could not read from COMMAND", "could not write to COMMAND"),
        LocalKind::Filter | LocalKind::Terminal => ("could not read 'stdin'", "could not write to 'stdout'"),
    };
    match failure {
        Failure::Start(error) => Error::from(error).context(format!("could not serve the connection to '{pipe}'")),
        Failure::Malformed(why) => anyhow!(why),
        Failure::Stdin(error) => Error::from(error).context(Fatal(input.to_owned())),
        Failure::Stdout(error) => Error::from(error).context(Fatal(output.to_owned())),
        Failure::Send(error) => Error::from(error).context(format!("could not send to '{pipe}'")),
        Failure::Receive(error) => Error::from(error).context(format!("could not receive from '{pipe}'")),
        Failure::Reset => anyhow!(
            "could not deliver everything to '{pipe}': the peer left without reading all of it, or never took us on"
        ),
        Failure::Undelivered(0) => {
            anyhow!("could not deliver everything to '{pipe}': the peer reads no more, and there is more on stdin")
        }
        Failure::Undelivered(bytes) => anyhow!(
            "could not deliver everything to '{pipe}': the peer reads no more, and {bytes} bytes from stdin are lost"
        ),
    }
}
