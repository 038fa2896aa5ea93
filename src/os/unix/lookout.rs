//! One thread's wait for many ends at once: poll(2), with a list made anew for each wait.
//!
//! A thousand files cost a tenth of a millisecond each time, which is little beside a message to each of
//! them; and poll takes the regular files and devices that stdin and stdout may be, which epoll refuses.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::listener::Listener;
use super::poll::CLOSED;
use super::pump::block_stops;
use crate::os::{News, Wish};

/// What is waited for.
#[derive(Default)]
pub(crate) struct Lookout<'a>(Vec<PollFd<'a>>);

impl<'a> Lookout<'a> {
    /// Watches `end` too, which always tells when it has closed.
    pub(crate) fn add(&mut self, end: &'a impl AsFd, wish: Wish) {
        let mut events = PollFlags::empty();
        events.set(PollFlags::IN, wish.to_take);
        events.set(PollFlags::OUT, wish.to_give);
        self.0.push(PollFd::new(end, events));
    }

    /// Watches for clients that come.
    pub(crate) fn add_listener(&mut self, listener: &'a Listener) {
        if let Some(socket) = listener.socket() {
            self.0.push(PollFd::new(socket, PollFlags::IN));
        }
    }

    /// Waits until there is news, or for `timeout`. What there is stands in the order of what was added.
    pub(crate) fn wait(mut self, timeout: Option<Duration>) -> io::Result<Vec<News>> {
        // stdin may be a terminal that is taken from us between the look and the read.
        block_stops();
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match rustix::event::poll(&mut self.0, timeout.as_ref()) {
            // After a signal everything is looked at again.
            Ok(_) | Err(Errno::INTR) => Ok(self.0.iter().map(|file| news(file.revents())).collect()),
            Err(error) => Err(error.into()),
        }
    }
}

fn news(happened: PollFlags) -> News {
    News {
        to_take: happened.contains(PollFlags::IN),
        to_give: happened.contains(PollFlags::OUT),
        closed: happened.intersects(CLOSED),
    }
}
