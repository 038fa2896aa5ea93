//! The hub's door: who comes in, and who has to wait outside.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use super::Event;
use super::client::Client;
use super::rounds::Hub;
use crate::os::in_time;
use crate::pipe::PipeStream;

/// Without free file descriptors, how long until we look again.
const OUT_OF_DESCRIPTORS_PAUSE: Duration = Duration::from_millis(50);
/// So many who wait are let in before those who are in are looked after again.
const AT_ONCE: usize = 64;

impl Hub<'_> {
    /// Lets in those who wait.
    pub(super) fn welcome(&mut self) -> io::Result<()> {
        for _ in 0..AT_ONCE {
            if !self.has_room() {
                break;
            }
            let refused = Cell::new(false);
            let refuse = |refusal| {
                refused.set(true);
                (self.tell)(Event::Refused(refusal));
            };
            match self.listener.take_waiting(refuse) {
                Ok(Some(pipe)) => self.let_in(pipe)?,
                Ok(None) if refused.get() => {}
                Ok(None) => break,
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    self.no_room_until = Some(Instant::now() + OUT_OF_DESCRIPTORS_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn let_in(&mut self, pipe: PipeStream) -> io::Result<()> {
        let number = self.totals.add_client();
        (self.tell)(Event::Came { number, pipe: &pipe, now: self.clients.len() + 1 });
        let peer = pipe.peer;
        let link = pipe.into_link(self.terms.passes_ends)?;
        self.most = self.most.or_else(|| link.largest_message());
        let mut client = Client::new(number, peer, link, self.terms);
        if self.dump.is_wanted() {
            let (received, sent) = (self.dump.direction(number, "<"), self.dump.direction(number, ">"));
            client = client.showing(Box::new(received), Box::new(sent));
        }
        if self.desk.source.is_none() && self.terms.direction.sends() && !self.terms.relays() {
            client.quit_at = in_time(self.terms.quit_after);
        }
        self.clients.insert(number, client);
        Ok(())
    }

    /// May another come in?
    pub(super) fn has_room(&self) -> bool {
        self.no_room_until.is_none() && self.terms.most_clients.is_none_or(|most| self.clients.len() < most.get())
    }
}
