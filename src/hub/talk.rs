//! Who gets what: stdin's messages to the clients, a client's to stdout and in a relay to the others.

use std::sync::Arc;

use super::client::{Client, Why};
use super::crowd::Crowd;
use super::desk::{Desk, Said, Unsaid};
use super::label::To;
use super::queue::Batch;
use super::rounds::Hub;
use super::{Event, Failure, Terms};
use crate::os::{Took, in_time};

impl Hub<'_> {
    /// May stdin's messages be taken? Not while there is nobody to take them.
    pub(super) fn may_speak(&self) -> bool {
        self.crowd.listeners > 0 && self.crowd.has_room(self.terms.on_slow)
    }

    /// May a client's?
    pub(super) fn may_hear(&self, client: &Client<'_>) -> bool {
        let has_room = || !self.terms.relays() || self.crowd.without(client).has_room(self.terms.on_slow);
        client.receives && self.desk.has_room() && has_room()
    }

    /// Takes what a client has said.
    pub(super) fn hear(&mut self, number: u64) {
        let Some(client) = self.clients.get(&number).filter(|client| self.may_hear(client)) else { return };
        let took = client.link.take(&mut self.buffer, self.terms.largest);
        let Some(client) = self.clients.get_mut(&number) else { return };
        let before = client.counts.received;
        let mut relayed = Batch::default();
        let heard = listen(client, &took, &self.buffer, self.terms, &mut self.desk, &mut relayed);
        let count = if let Took::Some(count) = took { count } else { 0 };
        client.meter.add_received(count);
        self.totals.add_received(count, client.counts.received - before);
        match (took, heard) {
            (_, Err(why)) => {
                client.leave(Why::Malformed, self.totals);
                (self.tell)(Event::Malformed { number, why });
            }
            (took @ (Took::End | Took::Failed(_)), Ok(())) => {
                client.receives = false;
                client.why = client.why.or(matches!(took, Took::Failed(_)).then_some(Why::Unread));
                client.quit_at = client.quit_at.or_else(|| in_time(self.terms.quit_after));
            }
            _ => {}
        }
        if self.terms.count.is_some_and(|count| client.counts.received >= count) {
            client.receives = false;
            client.why.get_or_insert(Why::Enough);
            client.finish(self.totals);
        }
        if !relayed.is_empty() {
            self.send(To::All, Some(number), relayed);
        }
        if !self.desk.sink.asks_first() {
            // A failure shows again when the lookout has told of it.
            let _ = self.desk.write();
        }
    }

    /// Takes what stdin says.
    pub(super) fn speak(&mut self) -> Result<(), Failure> {
        let (mut said, mut unsaid): (Vec<Said>, Vec<Unsaid>) = (Vec::new(), Vec::new());
        let (wire, most, shows) = (self.terms.wire, self.most, self.dump.is_wanted());
        let read = self.desk.read(&mut said, &mut unsaid, |batch, message| batch.add(message, wire, most, shows));
        for (message, why) in unsaid {
            (self.tell)(Event::Unsaid { message, why });
        }
        for said in said.into_iter().filter(|said| !said.batch.is_empty()) {
            self.send(said.to, None, said.batch);
        }
        if self.desk.source.is_none() && !self.terms.relays() {
            let quit_at = in_time(self.terms.quit_after);
            self.clients.values_mut().for_each(|client| client.quit_at = client.quit_at.or(quit_at));
        }
        read
    }

    fn send(&mut self, to: To, from: Option<u64>, batch: Batch) {
        let batch = Arc::new(batch);
        let (on_slow, totals) = (self.terms.on_slow, self.totals);
        match to {
            To::All => {
                let others = self.clients.values_mut().filter(|client| Some(client.number) != from);
                others.for_each(|client| client.offer(&batch, on_slow, totals));
            }
            To::One(number) => {
                if let Some(client) = self.clients.get_mut(&number).filter(|client| client.listens()) {
                    client.offer(&batch, on_slow, totals);
                } else {
                    totals.add_dropped(batch.len());
                    (self.tell)(Event::Missed { number, messages: batch.len() });
                }
            }
        }
        self.crowd = Crowd::of(self.clients.values());
    }
}

/// Hands on what `client` said: to stdout, and into `relayed` where others hear it too.
fn listen(
    client: &mut Client<'_>,
    took: &Took,
    buffer: &[u8],
    terms: &Terms,
    desk: &mut Desk,
    relayed: &mut Batch,
) -> Result<(), String> {
    let Client { number, reader, counts, shown_received, .. } = client;
    let shows = shown_received.is_some();
    let each = |message: &[u8]| {
        if terms.count.is_some_and(|count| counts.received >= count) {
            return Ok(());
        }
        counts.received += 1;
        if let Some(show) = shown_received {
            show(message);
        }
        let told = |why: String| format!("message {} {why}", counts.received);
        desk.put(*number, message).map_err(told)?;
        if terms.relays() {
            relayed.add(message, terms.wire, None, shows).map_err(told)?;
        }
        Ok(())
    };
    let read = match took {
        Took::Some(count) => reader.push(&buffer[..*count], each),
        Took::End => reader.finish(each),
        Took::NotYet | Took::Failed(_) => Ok(()),
    };
    // Who says nothing more for hours is one of many.
    reader.give_back();
    read
}
