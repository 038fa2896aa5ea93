//! What waits for one client. Messages are written once and shared by all who are to get them: a thousand
//! clients that are behind cost a thousand small entries, and not a thousand copies.

use std::collections::VecDeque;
use std::sync::Arc;

use super::wire::Wire;
use crate::framing::Form;

/// What an entry costs besides its bytes, so that many small ones are counted for what they take.
const ENTRY: usize = 64;

/// Messages that were read at once and go to the same clients, ready to be sent.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// Where each message ends in them.
    ends: Vec<usize>,
    /// The messages as such, where somebody wants to see them.
    shown: Vec<Vec<u8>>,
}

impl Batch {
    /// Puts `message` behind the others.
    ///
    /// # Errors
    /// What `wire` cannot express, and more than the kernel takes: half a sentence about the message.
    pub(super) fn add(&mut self, message: &[u8], wire: Wire, most: Option<usize>, shows: bool) -> Result<(), String> {
        if let Some(most) = most.filter(|&most| message.len() > most) {
            return Err(format!("has {} bytes, more than the kernel takes ({most})", message.len()));
        }
        wire.encode(message, &mut self.bytes)?;
        self.ends.push(self.bytes.len());
        if shows {
            self.shown.push(message.to_vec());
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many messages it holds.
    pub(super) fn len(&self) -> u64 {
        self.ends.len() as u64
    }

    pub(super) fn shown(&self) -> impl Iterator<Item = &[u8]> {
        self.shown.iter().map(Vec::as_slice)
    }
}

/// Batches that wait for one client, the first of them perhaps partly gone.
#[derive(Debug)]
pub(super) struct Queue {
    entries: VecDeque<Arc<Batch>>,
    /// Of the first one: how many bytes have gone, and how many whole messages.
    gone: usize,
    gone_messages: usize,
    waiting: usize,
    limit: usize,
    /// Has something been refused, and nothing much been taken since?
    overflowed: bool,
    /// Does each message go by itself?
    one_by_one: bool,
}

impl Queue {
    /// It is full once `limit` bytes wait; the batch that fills it may reach beyond.
    pub(super) fn new(limit: usize, wire: Wire) -> Self {
        Queue {
            entries: VecDeque::new(),
            gone: 0,
            gone_messages: 0,
            waiting: 0,
            limit,
            overflowed: false,
            one_by_one: wire == Wire::Form(Form::Kept),
        }
    }

    /// Is there room for another batch? Once one was refused, only when half of the queue is free: else a
    /// client that is always behind would get shreds.
    pub(super) fn has_room(&self) -> bool {
        self.waiting < if self.overflowed { self.limit.div_ceil(2) } else { self.limit }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn push(&mut self, batch: &Arc<Batch>) {
        self.waiting += batch.bytes.len() + ENTRY;
        self.overflowed = false;
        self.entries.push_back(Arc::clone(batch));
    }

    /// Notes that a batch was not taken.
    pub(super) fn overflow(&mut self) {
        self.overflowed = true;
    }

    /// What is to be sent next: one message where each goes by itself (it may be empty).
    pub(super) fn next(&self) -> Option<&[u8]> {
        let batch = self.entries.front()?;
        let end = if self.one_by_one { batch.ends[self.gone_messages] } else { batch.bytes.len() };
        Some(&batch.bytes[self.gone..end])
    }

    /// So many bytes of it have gone: how many messages have gone whole by that?
    pub(super) fn sent(&mut self, count: usize) -> u64 {
        let Some(batch) = self.entries.front() else { return 0 };
        let (before, size) = (self.gone_messages, batch.bytes.len());
        self.gone += count;
        if self.one_by_one {
            self.gone_messages += 1;
        } else {
            self.gone_messages += batch.ends[before..].iter().take_while(|&&end| end <= self.gone).count();
        }
        let messages = self.gone_messages - before;
        if self.gone_messages == batch.ends.len() {
            self.waiting -= size + ENTRY;
            (self.gone, self.gone_messages) = (0, 0);
            self.entries.pop_front();
        }
        messages as u64
    }

    /// Gives up the next message, where each goes by itself.
    pub(super) fn skip(&mut self) {
        self.sent(self.next().map_or(0, <[u8]>::len));
    }

    /// Gives up all of it: how many messages?
    pub(super) fn clear(&mut self) -> u64 {
        let all: u64 = self.entries.iter().map(|batch| batch.len()).sum();
        let lost = all - self.gone_messages as u64;
        (self.gone, self.gone_messages, self.waiting) = (0, 0, 0);
        self.entries = VecDeque::new();
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn batch(messages: &[&[u8]], wire: Wire) -> Arc<Batch> {
        let mut batch = Batch::default();
        for message in messages {
            batch.add(message, wire, None, false).unwrap();
        }
        Arc::new(batch)
    }

    #[test]
    fn it_is_full_at_its_limit_and_after_an_overflow_until_half_is_free() {
        let mut queue = Queue::new(200, Wire::Lines);
        let messages = batch(&[b"123456789", b"123456789", b"12345678901"], Wire::Lines);
        for _ in 0..3 {
            assert!(queue.has_room());
            queue.push(&messages);
        }
        assert!(!queue.has_room());
        queue.overflow();
        queue.sent(32);
        assert!(!queue.has_room(), "192 of 200 wait");
        queue.sent(32);
        assert!(queue.has_room());
        assert_eq!(queue.clear(), 3);
        assert!(queue.is_empty() && queue.has_room());
    }

    #[test]
    fn messages_go_by_themselves_even_if_they_are_empty() {
        let kept = Wire::Form(Form::Kept);
        let mut queue = Queue::new(1000, kept);
        queue.push(&batch(&[b"one", b"", b"two"], kept));
        for expected in [&b"one"[..], b"", b"two"] {
            assert_eq!(queue.next(), Some(expected));
            assert_eq!(queue.sent(expected.len()), 1);
        }
        assert_eq!((queue.next(), queue.waiting), (None, 0));
    }

    proptest! {
        /// However little is taken each time, all of it goes, in order, and is counted once.
        #[test]
        fn all_of_it_goes_in_order(
            batches in prop::collection::vec(prop::collection::vec("[a-z]{0,9}", 1..5), 0..6),
            step in 1_usize..7,
        ) {
            let mut queue = Queue::new(1000, Wire::Lines);
            let mut expected = Vec::new();
            for messages in &batches {
                let messages: Vec<&[u8]> = messages.iter().map(String::as_bytes).collect();
                let batch = batch(&messages, Wire::Lines);
                expected.extend_from_slice(&batch.bytes);
                queue.push(&batch);
            }
            let (mut got, mut messages) = (Vec::new(), 0);
            while let Some(next) = queue.next() {
                let piece = next[..step.min(next.len())].to_vec();
                messages += queue.sent(piece.len());
                got.extend(piece);
            }
            prop_assert_eq!(got, expected);
            prop_assert_eq!(messages, batches.iter().map(Vec::len).sum::<usize>() as u64);
            prop_assert_eq!(queue.waiting, 0);
        }
    }
}
