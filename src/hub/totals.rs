//! What all clients of a hub did together, for whoever asks while it goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::progress::Meter;

/// Messages, counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Not sent, because there was no room for them or the client went before.
    pub(crate) dropped: u64,
}

/// What all clients did together.
#[derive(Debug)]
pub(crate) struct Totals {
    pub(crate) meter: Arc<Meter>,
    clients: AtomicU64,
    disconnected: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    dropped: AtomicU64,
}

impl Totals {
    pub(crate) fn new() -> Self {
        let [clients, disconnected, sent, received, dropped] = [const { AtomicU64::new(0) }; 5];
        Totals { meter: Arc::new(Meter::start()), clients, disconnected, sent, received, dropped }
    }

    /// How many clients there were, and how many of them were too slow.
    pub(crate) fn clients(&self) -> (u64, u64) {
        (self.clients.load(Relaxed), self.disconnected.load(Relaxed))
    }

    pub(crate) fn counts(&self) -> Counts {
        let [sent, received, dropped] = [&self.sent, &self.received, &self.dropped].map(|count| count.load(Relaxed));
        Counts { sent, received, dropped }
    }

    /// Counts a client that came: its number.
    pub(super) fn add_client(&self) -> u64 {
        self.clients.fetch_add(1, Relaxed) + 1
    }

    pub(super) fn add_disconnected(&self) {
        self.disconnected.fetch_add(1, Relaxed);
    }

    pub(super) fn add_sent(&self, bytes: usize, messages: u64) {
        self.meter.add_sent(bytes);
        self.sent.fetch_add(messages, Relaxed);
    }

    pub(super) fn add_received(&self, bytes: usize, messages: u64) {
        self.meter.add_received(bytes);
        self.received.fetch_add(messages, Relaxed);
    }

    pub(super) fn add_dropped(&self, messages: u64) {
        self.dropped.fetch_add(messages, Relaxed);
    }
}
