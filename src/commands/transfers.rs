//! What send and recv have in common: their options, the bar, the line at the end, and how what went wrong is
//! put into the user's words.

use std::fmt::Display;
use std::io;
use std::sync::Arc;

use anyhow::{Error, anyhow};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;

use super::options::{ConnectionOptions, FramingOptions, MeetingOptions};
use super::values::{self, OnPipe, Statistics};
use crate::os::{Mode, OneWay, Peer};
use crate::pipe::{Direction, Manner};
use crate::progress::{Bar, Meter, Moving, Subject, When};
use crate::stderr;
use crate::transfer::wire::Role;
use crate::transfer::{Apart, Arrived, Trouble};

/// What both take.
#[derive(Args, Debug)]
pub(super) struct TransferOptions {
    #[command(flatten)]
    pub(super) meeting: MeetingOptions,

    #[command(flatten)]
    pub(super) framing: FramingOptions,

    #[command(flatten)]
    pub(super) connection: ConnectionOptions,

    /// A live bar on stderr (auto: only on a terminal, and not for what is over at once)
    #[arg(short, long, value_name = "auto|always|never", num_args = 0..=1, require_equals = true,
          default_missing_value = "auto", default_value = "auto", hide_possible_values = true,
          value_parser = PossibleValuesParser::new(["auto", "always", "never"]).map(|text| values::when(&text)))]
    pub(super) progress: When,

    /// Make the pipe, and wait for the other side [default: whoever comes first makes it]
    #[arg(long, conflicts_with = "connect")]
    serve: bool,

    /// Wait until the other side has made the pipe
    #[arg(long)]
    connect: bool,
}

/// What `--mode` is for here.
pub(super) const HELP_OF_MODE: &str = "With 'message' each item is one message of a pipe that keeps them apart itself";

/// Who is to make the pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Whoever comes first.
    Either,
    /// We.
    Server,
    /// The other side.
    Client,
}

impl TransferOptions {
    pub(super) fn side(&self) -> Side {
        match (self.serve, self.connect) {
            (true, _) => Side::Server,
            (_, true) => Side::Client,
            _ => Side::Either,
        }
    }

    /// How items are told apart, with a peer that does not speak the protocol.
    pub(super) fn apart(&self) -> Option<Apart> {
        match (self.meeting.mode, self.framing.choice()) {
            (Some(Mode::Message), _) => Some(Apart::Kept),
            (_, Some(OnPipe(None))) => Some(Apart::Raw),
            (_, Some(OnPipe(Some(framing)))) => Some(Apart::Framed(framing)),
            (_, None) => None,
        }
    }

    pub(super) fn manner(&self, role: Role) -> Manner {
        let (way, only) = match role {
            Role::Sender => (OneWay::Out, None),
            // Nobody is told anything.
            Role::Receiver => (OneWay::In, self.apart().map(|_| Direction::In)),
        };
        Manner { guess: Some(way), ..self.meeting.manner(only, true, self.connection.buffer_size) }
    }
}

/// What is said of one transfer.
pub(super) struct Report<'a> {
    options: &'a TransferOptions,
    role: Role,
    peer: Option<Peer>,
    pub(super) meter: Arc<Meter>,
    subject: Arc<Subject>,
    bar: Option<Bar>,
    count: u64,
    last: Option<Arrived>,
    /// All of them, where a program wants to know.
    items: Vec<Arrived>,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Failed,
    /// Nothing failed, and nobody has said that all has arrived.
    Done,
    /// The receiver has everything.
    Confirmed,
}

impl<'a> Report<'a> {
    /// It begins now.
    pub(super) fn new(options: &'a TransferOptions, role: Role, peer: Option<Peer>) -> Self {
        let meter = Arc::new(Meter::start());
        let moving = if role == Role::Sender { Moving::Sent } else { Moving::Received };
        let subject = Arc::new(Subject::new(moving, None));
        let bar = Bar::follow(Arc::clone(&meter), Arc::clone(&subject), options.progress);
        Report { options, role, peer, meter, subject, bar, count: 0, last: None, items: Vec::new() }
    }

    /// Counts bytes of an item.
    pub(super) fn count(&self, bytes: usize) {
        match self.role {
            Role::Sender => self.meter.add_sent(bytes),
            Role::Receiver => self.meter.add_received(bytes),
        }
    }

    /// The item of that name comes next; `items` (0: who knows) and `bytes` are still to come.
    pub(super) fn begins(&self, name: &str, items: u32, bytes: Option<u64>) {
        let done = self.meter.sent() + self.meter.received();
        let more = if items > 1 { format!(" (and {} more)", items - 1) } else { String::new() };
        let label = if name.is_empty() { String::new() } else { format!("{}{more} ", short(name)) };
        self.subject.is(label, bytes.map(|bytes| done.saturating_add(bytes)));
    }

    /// An item is where it should be.
    pub(super) fn arrived(&mut self, item: Arrived) {
        self.options.connection.notice(|| {
            let what = if self.role == Role::Sender { "sent" } else { "received" };
            let name = item.name.as_ref().map_or_else(|| "an item".to_owned(), |name| format!("'{name}'"));
            let path = item.path.as_ref().map(|path| format!(" as '{}'", path.display())).unwrap_or_default();
            format!("{what} {name}, {} bytes{path}", item.bytes)
        });
        self.count += 1;
        if self.options.connection.stats == Some(Statistics::Json) {
            self.items.push(item.clone());
        }
        self.last = Some(item);
    }

    /// It is over.
    pub(super) fn end(mut self, outcome: Outcome) {
        if outcome != Outcome::Failed {
            let what = match self.last.take().and_then(|item| item.name) {
                Some(name) if self.count == 1 => format!("{} ", short(&name)),
                _ if self.count == 1 => String::new(),
                _ => format!("{} items ", self.count),
            };
            self.subject.is(format!("{what}done: "), Some(self.meter.sent() + self.meter.received()));
        }
        drop(self.bar.take());
        match self.options.connection.stats {
            None => {}
            Some(Statistics::Text) => {
                let many = if self.count == 1 { "" } else { "s" };
                stderr::say(&format!("{} item{many}, {}", self.count, self.meter));
            }
            Some(Statistics::Json) => stderr::show(&self.json(outcome)),
        }
    }

    fn json(&self, outcome: Outcome) -> String {
        let item = |item: &Arrived| {
            let path = item.path.as_ref().map(|path| path.to_string_lossy());
            json!({ "name": item.name, "bytes": item.bytes, "path": path })
        };
        let line = json!({
            "pipe": self.options.meeting.pipe.to_string(),
            "items": self.items.iter().map(item).collect::<Vec<_>>(),
            "sent": self.meter.sent(),
            "received": self.meter.received(),
            "seconds": self.meter.elapsed().as_secs_f64(),
            "confirmed": outcome == Outcome::Confirmed,
            "peer": values::peer_in_json(self.peer),
        });
        // The names are those that the sender said.
        stderr::harmless_json(&format!("{line}\n"))
    }
}

/// A name that leaves room for a bar: its end says most.
fn short(name: &str) -> String {
    const MOST: usize = 30;
    let name = stderr::harmless(name);
    match name.char_indices().nth_back(MOST - 1) {
        Some((at, _)) if at > 0 => format!("…{}", &name[at..]),
        _ => name,
    }
}

/// What went wrong, as the user is told. `item` is what was being sent or received, where that is known.
pub(super) fn in_words(trouble: Trouble, pipe: &impl Display, item: &str, role: Role) -> Error {
    let item = if item.is_empty() { String::new() } else { format!(" '{item}'") };
    let (failed, peer) = match role {
        Role::Sender => (format!("could not send{item} to '{pipe}'"), "receiver"),
        Role::Receiver => (format!("could not receive{item} from '{pipe}'"), "sender"),
    };
    match trouble {
        Trouble::Here(what, error) => Error::from(error).context(what),
        Trouble::There(why) => anyhow!("{failed}: the {peer} says: {why}"),
        Trouble::Nonsense(what) => anyhow!("{failed}: the {peer} sent {what}"),
        Trouble::Gone => anyhow!("{failed}: the {peer} has gone before all was done"),
        Trouble::Reset => anyhow!("{failed}: the {peer} has gone, and left unread what was sent to it"),
        Trouble::StdoutClosed => anyhow!("{failed}: nobody reads stdout"),
        Trouble::Silent => {
            let silent =
                io::Error::new(io::ErrorKind::TimedOut, "no byte has moved for as long as '--idle-timeout' allows");
            Error::from(silent).context(failed)
        }
    }
}
