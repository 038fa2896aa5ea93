//! One client of a hub: its connection, what waits for it, and how it is with its two halves. Whom its
//! messages go to is the hub's to know.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::queue::{Batch, Queue};
use super::{Counts, OnSlow, Terms, Totals};
use crate::framing::Reader;
use crate::os::{Gave, Link, Peer, Wish, in_time};
use crate::progress::Meter;

/// A full queue of which nothing has been taken for this long is that of a client which is not there.
const STALLED_AFTER: Duration = Duration::from_secs(1);

/// Is shown the messages of one direction.
pub(super) type Shown<'a> = Box<dyn Fn(&[u8]) + 'a>;

/// Why a client is let go, or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It went, or both sides are done.
    Over,
    /// It went without reading all that it was sent.
    Unread,
    /// It sent all the messages that were wanted of it.
    Enough,
    /// Its queue was full, and such clients are disconnected.
    TooSlow,
    /// It sent what is no message.
    Malformed,
    /// Nothing moved for as long as `--idle-timeout` allows.
    Idle,
    /// `--quit-after`.
    QuitAfter,
    /// `--client-timeout`.
    TimeOver,
}

/// A connection of many.
pub(super) struct Client<'a> {
    pub(super) number: u64,
    pub(super) peer: Option<Peer>,
    pub(super) link: Link,
    pub(super) reader: Reader,
    queue: Queue,
    /// Will more come from it?
    pub(super) receives: bool,
    sending: Sending,
    /// The kernel says that it has gone; what it sent may still be there.
    pub(super) is_gone: bool,
    pub(super) why: Option<Why>,
    pub(super) meter: Meter,
    pub(super) counts: Counts,
    last_given: Instant,
    pub(super) quit_at: Option<Instant>,
    over_at: Option<Instant>,
    idle_after: Option<Duration>,
    pub(super) shown_received: Option<Shown<'a>>,
    pub(super) shown_sent: Option<Shown<'a>>,
}

/// What may still be sent to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    /// All that is said.
    Everything,
    /// What waits for it, and what is on its way, and then the end.
    WhatWaits,
    Nothing,
}

impl<'a> Client<'a> {
    pub(super) fn new(number: u64, peer: Option<Peer>, link: Link, terms: &Terms) -> Self {
        let now = Instant::now();
        let sending = if terms.direction.sends() { Sending::Everything } else { Sending::Nothing };
        Client {
            number,
            peer,
            link,
            reader: terms.wire.reader(terms.largest).without_bom(terms.strips_bom),
            queue: Queue::new(terms.queue, terms.wire),
            receives: terms.direction.receives(),
            sending,
            is_gone: false,
            why: None,
            meter: Meter::start(),
            counts: Counts::default(),
            last_given: now,
            quit_at: None,
            over_at: in_time(terms.client_timeout),
            idle_after: terms.idle_timeout,
            shown_received: None,
            shown_sent: None,
        }
    }

    /// Shows what passes.
    pub(super) fn showing(mut self, received: Shown<'a>, sent: Shown<'a>) -> Self {
        (self.shown_received, self.shown_sent) = (Some(received), Some(sent));
        self
    }

    /// What to watch it for, if more is wanted of it than is known.
    pub(super) fn wish(&self, may_take: bool) -> Option<Wish> {
        let wish = Wish { to_take: self.receives && may_take, to_give: self.has_waiting() };
        // What has gone would say so again and again.
        (!self.is_gone).then_some(wish)
    }

    pub(super) fn has_waiting(&self) -> bool {
        self.sending == Sending::WhatWaits || self.listens() && !self.queue.is_empty()
    }

    /// May it be sent anything at all?
    pub(super) fn listens(&self) -> bool {
        self.sending == Sending::Everything
    }

    /// Is there no room for more?
    pub(super) fn is_full(&self) -> bool {
        !self.queue.has_room()
    }

    /// Has it taken something lately?
    pub(super) fn is_alive(&self) -> bool {
        self.last_given.elapsed() < STALLED_AFTER
    }

    /// Takes a batch for the client, as `on_slow` says if there is no room.
    pub(super) fn offer(&mut self, batch: &Arc<Batch>, on_slow: OnSlow, totals: &Totals) {
        if !self.listens() {
            return;
        }
        if on_slow != OnSlow::Block && self.is_full() {
            self.drop_messages(batch.len(), totals);
            self.queue.overflow();
            if on_slow == OnSlow::Disconnect {
                self.leave(Why::TooSlow, totals);
            }
            return;
        }
        if let Some(show) = &self.shown_sent {
            batch.shown().for_each(show);
        }
        let had_waiting = self.has_waiting();
        if !had_waiting {
            // Until now there was nothing for it to take.
            self.last_given = Instant::now();
        }
        self.queue.push(batch);
        if !had_waiting {
            self.give(totals);
        }
    }

    /// Sends what waits, as far as there is room.
    pub(super) fn give(&mut self, totals: &Totals) {
        while let Some(bytes) = self.queue.next().filter(|_| self.sending != Sending::Nothing) {
            match self.link.give(bytes) {
                Gave::Some(count) => {
                    let messages = self.queue.sent(count);
                    self.counts.sent += messages;
                    self.meter.add_sent(count);
                    self.last_given = Instant::now();
                    totals.add_sent(count, messages);
                }
                Gave::Full => return,
                Gave::TooLong => {
                    self.queue.skip();
                    self.drop_messages(1, totals);
                }
                Gave::Closed | Gave::Failed(_) => return self.stop_sending(totals),
            }
        }
        if self.sending == Sending::WhatWaits && self.link.finish() {
            self.sending = Sending::Nothing;
        }
    }

    /// Sends no more than what waits, and then the end.
    pub(super) fn finish(&mut self, totals: &Totals) {
        if self.listens() {
            self.sending = Sending::WhatWaits;
            self.give(totals);
        }
    }

    /// Nobody is there any more who would read.
    pub(super) fn gone(&mut self, totals: &Totals) {
        if !self.is_gone {
            self.is_gone = true;
            self.stop_sending(totals);
        }
    }

    fn stop_sending(&mut self, totals: &Totals) {
        let lost = self.queue.clear();
        self.drop_messages(lost, totals);
        self.sending = Sending::Nothing;
    }

    pub(super) fn drop_messages(&mut self, count: u64, totals: &Totals) {
        self.counts.dropped += count;
        totals.add_dropped(count);
    }

    /// Has nothing more to do with it.
    pub(super) fn leave(&mut self, why: Why, totals: &Totals) {
        self.stop_sending(totals);
        self.receives = false;
        self.why.get_or_insert(why);
    }

    /// Is it done, or its time over?
    pub(super) fn is_over(&self) -> bool {
        self.sending == Sending::Nothing && !self.receives
    }

    /// When it has to be looked at, whatever happens.
    pub(super) fn deadline(&self) -> Option<(Instant, Why)> {
        let idle_at = self.idle_after.and_then(|limit| self.meter.last_moved().checked_add(limit));
        let all = [(idle_at, Why::Idle), (self.quit_at, Why::QuitAfter), (self.over_at, Why::TimeOver)];
        all.into_iter().filter_map(|(at, why)| Some((at?, why))).min_by_key(|(at, _)| *at)
    }
}
