//! One thread's wait for many ends at once. Each has begun what it waits for, and all tell of it by one event:
//! no limit of 64 handles, and no thread for each.

use std::io;
use std::os::windows::io::{AsRawHandle, RawHandle};
use std::time::{Duration, Instant};

use super::call::something_is_over;
use super::listener::Listener;
use super::pump::LOOK_EVERY;
use super::wake::wait;
use crate::os::{News, Wish};

/// What can be waited for beside others.
pub(crate) trait Watched {
    /// Begins what tells of it.
    fn begin(&self, _: Wish) {}

    /// What is known of it now.
    fn news(&self, wish: Wish) -> News;

    /// What tells that there may be such news as is wished for, if that is an event of its own.
    fn event(&self, _: Wish) -> Option<RawHandle> {
        None
    }

    /// Is there news of which nothing tells?
    fn has_to_be_looked_at(&self) -> bool;
}

/// What is waited for.
#[derive(Default)]
pub(crate) struct Lookout<'a>(Vec<(&'a dyn Watched, Wish)>);

impl<'a> Lookout<'a> {
    /// Watches `end` too, which always tells when it has closed.
    pub(crate) fn add(&mut self, end: &'a impl Watched, wish: Wish) {
        end.begin(wish);
        self.0.push((end, wish));
    }

    /// Watches for clients that come.
    pub(crate) fn add_listener(&mut self, listener: &'a Listener) {
        self.add(listener, Wish { to_take: true, to_give: false });
    }

    /// Waits until there is news, or for `timeout`. What there is stands in the order of what was added.
    pub(crate) fn wait(self, timeout: Option<Duration>) -> io::Result<Vec<News>> {
        let event = something_is_over()?;
        // What is over by now is seen at this look, and what is over later sets the event again.
        event.reset();
        let news = self.look();
        if news.iter().any(|news| is_any(*news)) {
            return Ok(news);
        }
        let events: Vec<RawHandle> =
            self.0.iter().filter_map(|(end, wish)| end.event(*wish)).chain([event.as_raw_handle()]).collect();
        self.wait_for(&events, timeout)?;
        Ok(self.look())
    }

    /// Waits for one of `events`, or for news of which nothing tells.
    fn wait_for(&self, events: &[RawHandle], timeout: Option<Duration>) -> io::Result<()> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let silent: Vec<_> = self.0.iter().filter(|(end, _)| end.has_to_be_looked_at()).collect();
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let pause = left.into_iter().chain((!silent.is_empty()).then_some(LOOK_EVERY)).min();
            let is_over = wait(events, pause)?.is_some() || left.is_some_and(|left| left <= LOOK_EVERY);
            if is_over || silent.iter().any(|(end, wish)| is_any(end.news(*wish))) {
                return Ok(());
            }
        }
    }

    fn look(&self) -> Vec<News> {
        self.0.iter().map(|(end, wish)| end.news(*wish)).collect()
    }
}

fn is_any(news: News) -> bool {
    news.to_take || news.to_give || news.closed
}
