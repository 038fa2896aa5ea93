//! Transfers: items (files, texts, streams) that go from a sender to a receiver whole or not at all.
//!
//! What the two say to each other is [`wire`]'s, how it gets there `channel`'s. `greeting` finds out whom
//! there is to talk to; `sender` and `receiver` are the two sides of the conversation, and `plain` of one
//! with a peer that does not speak it. Where received bytes go, and that no half file is ever seen under
//! its name, is `destination`'s and `landing`'s.
//!
//! Whoever finds that something is wrong says so to its user and to the peer, and the transfer is over: what
//! was answered before that is safe, and nothing else has happened.

mod channel;
mod content;
mod destination;
mod greeting;
mod landing;
mod plain;
mod receiver;
mod sender;
pub mod wire;

use std::io;
use std::path::Path;
use std::time::Duration;

pub(crate) use channel::Channel;
pub(crate) use content::Content;
pub(crate) use destination::Destination;
pub(crate) use greeting::{Greeting, Met};
pub(crate) use plain::{Apart, PlainReceiver, PlainSender};
pub(crate) use receiver::{Onlooker, Receiver};
pub(crate) use sender::{Left, Sender};

use crate::os::Stopped;
use crate::pipe::{Direction, Manner, PeerRule, PipeAddress, PipeEnds, Seek, Waited};
use crate::stderr;

/// What kept a transfer from its end.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Something on our side: what could not be done, and why.
    Here(String, io::Error),
    /// What the peer says that is wrong on its side.
    There(String),
    /// What the peer says makes no sense.
    Nonsense(String),
    /// The peer has gone before all was done.
    Gone,
    /// The same, and it left unread what we had said.
    Reset,
    /// Nothing has moved for as long as it may take.
    Silent,
    /// Nobody reads our stdout any more.
    StdoutClosed,
}

impl Trouble {
    /// What could not be done with a file of that name.
    pub(crate) fn with(what: &str, name: &str, error: io::Error) -> Self {
        Trouble::Here(format!("{what} '{name}'"), error)
    }

    /// Why something could not be written to our stdout.
    pub(crate) fn at_stdout(stopped: Stopped) -> Self {
        match stopped {
            Stopped::TimedOut => Trouble::Silent,
            Stopped::Closed | Stopped::Ended => Trouble::StdoutClosed,
            Stopped::Failed(error) => Trouble::with("could not write to", "stdout", error),
        }
    }

    /// What is wrong here, for the user at the other side.
    pub(crate) fn for_peer(&self) -> Option<String> {
        match self {
            Trouble::Here(what, error) => Some(format!("{what}: {}", stderr::reason(error))),
            Trouble::StdoutClosed => Some("nobody reads its stdout any more".into()),
            Trouble::Nonsense(what) => Some(format!("it does not understand {what}")),
            Trouble::Silent => Some("it has waited long enough (--idle-timeout)".into()),
            Trouble::There(_) | Trouble::Gone | Trouble::Reset => None,
        }
    }
}

impl From<wire::Nonsense> for Trouble {
    fn from(nonsense: wire::Nonsense) -> Self {
        Trouble::Nonsense(nonsense.0)
    }
}

/// The ends of a FIFO or a socket that is a file like others to whoever names it, once somebody is at its other end.
fn ends_of_pipe(path: &Path, direction: Direction, patience: Option<Duration>) -> Result<PipeEnds, Trouble> {
    let manner =
        Manner { direction: Some(direction), guess: None, mode: None, rule: Some(PeerRule::Any), buffer_size: None };
    let seek = Seek::new(&PipeAddress::Path(path.to_owned()), manner);
    match seek.and_then(|seek| seek.connect(patience, None, |_| {})) {
        Ok(Waited::Found(pipe)) => Ok(pipe.into_ends(true)),
        Ok(Waited::Woken | Waited::NobodyReads) => Err(Trouble::Gone),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(Trouble::Silent),
        Err(error) => Err(Trouble::with("could not open", &path.display().to_string(), error)),
    }
}

fn out_of_place() -> Trouble {
    Trouble::Nonsense("a record that has no place there".into())
}

/// An item that has arrived, for those who want to know.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    /// What it is called; a text and a stream have no name.
    pub(crate) name: Option<String>,
    /// How many bytes it had.
    pub(crate) bytes: u64,
    /// Where a receiver has put it, if that is a file.
    pub(crate) path: Option<std::path::PathBuf>,
}
