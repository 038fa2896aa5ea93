//! Items for, and from, programs that do not speak the protocol: each is one message in a framing or in a pipe
//! that keeps messages apart itself, or all are raw bytes. Nobody answers, so that all that is known is what
//! the kernel says.

use std::io;
use std::time::{Duration, Instant};

use super::content::Content;
use super::destination::Destination;
use super::receiver::Onlooker;
use super::wire::{Item, ItemKind};
use super::{Arrived, Channel, Trouble};
use crate::framing::{Decoder, Framing};
use crate::os::in_time;

/// How items are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Apart {
    /// Not at all: what comes is one item.
    Raw,
    /// Each is a message in this framing.
    Framed(Framing),
    /// Each is a message of the pipe's own.
    Kept,
}

/// Sends items to any program.
#[derive(Debug)]
pub(crate) struct PlainSender {
    channel: Channel,
    apart: Apart,
    largest: usize,
    patience: Option<Duration>,
}

impl PlainSender {
    /// Over `channel`, in messages of at most `largest` bytes.
    pub(crate) fn new(channel: Channel, apart: Apart, largest: usize, patience: Option<Duration>) -> Self {
        PlainSender { channel, apart, largest, patience }
    }

    /// Sends one item.
    pub(crate) fn send(&mut self, content: &Content, count: &dyn Fn(usize)) -> Result<Arrived, Trouble> {
        let bytes = match self.apart {
            Apart::Raw => self.pass_on(content, count)?,
            Apart::Framed(_) | Apart::Kept => self.send_message(content, count)?,
        };
        Ok(Arrived { name: Some(content.name()), bytes, path: None })
    }

    /// Finishes our half, and lets the peer say what it has to, for `quit_after` at the most: one that is still
    /// answering would not survive our leaving.
    pub(crate) fn finish(mut self, quit_after: Option<Duration>) -> Result<(), Trouble> {
        self.channel.finish();
        let deadline = in_time(quit_after);
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(());
            }
            self.channel.set_patience(left.into_iter().chain(self.patience).min());
            match self.channel.hear(None) {
                Ok(None) => return Ok(()),
                Ok(Some(scrap)) => {
                    let length = scrap.len();
                    self.channel.heard(length);
                }
                Err(Trouble::Silent) if left.is_some() && left <= self.patience.or(left) => return Ok(()),
                Err(trouble) => return Err(trouble),
            }
        }
    }

    fn pass_on(&mut self, content: &Content, count: &dyn Fn(usize)) -> Result<u64, Trouble> {
        let (mut body, mut total) = (content.open(self.patience)?, 0);
        loop {
            let bytes = body.next(self.channel.sink(), self.patience)?;
            if bytes.is_empty() {
                return Ok(total);
            }
            self.channel.say_counted(bytes, count)?;
            let sent = bytes.len();
            body.sent(sent);
            total += sent as u64;
        }
    }

    fn send_message(&mut self, content: &Content, count: &dyn Fn(usize)) -> Result<u64, Trouble> {
        let message = self.whole(content)?;
        let mut framed = Vec::new();
        let words = match self.apart {
            Apart::Framed(framing) => {
                // A line is its message and its end.
                let is_line = framing == Framing::Lines;
                let message = message.strip_suffix(b"\n").filter(|_| is_line).unwrap_or(&message);
                framing.encode(message, &mut framed).map_err(|why| refused(content, format!("it {why}")))?;
                &framed
            }
            Apart::Kept | Apart::Raw => &message,
        };
        self.channel.say(words).map_err(|trouble| match trouble {
            Trouble::Here(_, error) => Trouble::with("could not send", &content.name(), error),
            trouble => trouble,
        })?;
        count(message.len());
        Ok(message.len() as u64)
    }

    fn whole(&mut self, content: &Content) -> Result<Vec<u8>, Trouble> {
        let (mut body, mut message) = (content.open(self.patience)?, Vec::new());
        loop {
            let bytes = body.next(self.channel.sink(), self.patience)?;
            if bytes.is_empty() {
                return Ok(message);
            }
            if message.len() + bytes.len() > self.largest {
                let largest = self.largest;
                return Err(refused(content, format!("it has more than {largest} bytes (--max-message)")));
            }
            message.extend_from_slice(bytes);
            let taken = bytes.len();
            body.sent(taken);
        }
    }
}

fn refused(content: &Content, why: String) -> Trouble {
    Trouble::with("could not send", &content.name(), io::Error::other(why))
}

/// Receives items from any program.
#[derive(Debug)]
pub(crate) struct PlainReceiver {
    channel: Channel,
    apart: Apart,
    largest: usize,
    decoder: Option<Decoder>,
    is_over: bool,
}

impl PlainReceiver {
    /// Over `channel`, in messages of at most `largest` bytes.
    pub(crate) fn new(channel: Channel, apart: Apart, largest: usize) -> Self {
        let decoder = match apart {
            Apart::Framed(framing) => Some(Decoder::new(framing, largest)),
            Apart::Raw | Apart::Kept => None,
        };
        PlainReceiver { channel, apart, largest, decoder, is_over: false }
    }

    /// Leaves, and has the peer learn that what it sent besides was not read.
    pub(crate) fn wants_no_more(&self) {
        self.channel.leave_abruptly();
    }

    /// Receives the next item, the so many-th, to `destination`; nothing where there are no more.
    pub(crate) fn next(
        &mut self,
        destination: &mut Destination,
        number: u64,
        onlooker: &Onlooker<'_>,
    ) -> Result<Option<Arrived>, Trouble> {
        let received = match self.apart {
            Apart::Raw => self.take_stream(destination, number, onlooker),
            Apart::Framed(_) | Apart::Kept => self.take_message(destination, number, onlooker),
        };
        if received.is_err() {
            // It has no other way to learn that what it sent is not where it should be.
            self.channel.leave_abruptly();
        }
        received
    }

    fn take_stream(
        &mut self,
        destination: &mut Destination,
        number: u64,
        onlooker: &Onlooker<'_>,
    ) -> Result<Option<Arrived>, Trouble> {
        if std::mem::replace(&mut self.is_over, true) {
            return Ok(None);
        }
        let item = Item::unknown(ItemKind::Stream);
        (onlooker.begins)(&item);
        let mut spot = destination.place(&item, number)?;
        let mut bytes = 0;
        while let Some(heard) = self.channel.hear(spot.sink())? {
            spot.write(heard)?;
            let passed = heard.len();
            (onlooker.count)(passed);
            self.channel.heard(passed);
            bytes += passed as u64;
        }
        let path = spot.finish(&item)?;
        Ok(Some(Arrived { name: None, bytes, path }))
    }

    fn take_message(
        &mut self,
        destination: &mut Destination,
        number: u64,
        onlooker: &Onlooker<'_>,
    ) -> Result<Option<Arrived>, Trouble> {
        let Some(message) = self.message(destination)? else { return Ok(None) };
        let item = Item::unknown(ItemKind::Stream);
        (onlooker.begins)(&item);
        let mut spot = destination.place(&item, number)?;
        spot.write(&message)?;
        (onlooker.count)(message.len());
        let path = spot.finish(&item)?;
        Ok(Some(Arrived { name: None, bytes: message.len() as u64, path }))
    }

    fn message(&mut self, destination: &Destination) -> Result<Option<Vec<u8>>, Trouble> {
        loop {
            if let Some(decoder) = &mut self.decoder
                && let Some(message) = decoder.next().map_err(|lie| Trouble::Nonsense(lie.to_string()))?
            {
                return Ok(Some(message.to_vec()));
            }
            if self.is_over {
                return Ok(None);
            }
            match (self.channel.hear(destination.sink())?, &mut self.decoder) {
                (Some(heard), Some(decoder)) => {
                    decoder.push(heard);
                    let taken = heard.len();
                    self.channel.heard(taken);
                }
                (Some(heard), None) => {
                    let message = heard.to_vec();
                    self.channel.heard(message.len());
                    return self.checked(message).map(Some);
                }
                (None, decoder) => {
                    self.is_over = true;
                    let last = decoder.as_mut().map(Decoder::finish).transpose();
                    let last = last.map_err(|lie| Trouble::Nonsense(lie.to_string()))?.flatten();
                    return Ok(last.map(<[u8]>::to_vec));
                }
            }
        }
    }

    fn checked(&self, message: Vec<u8>) -> Result<Vec<u8>, Trouble> {
        let (length, largest) = (message.len(), self.largest);
        if length > largest {
            let what = format!("a message of {length} bytes, more than {largest} (--max-message)");
            return Err(Trouble::Nonsense(what));
        }
        Ok(message)
    }
}
