//! The hub's rounds: it waits until there is something to be done anywhere, does what can be done at once, and
//! lets those go who are done.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use super::client::{Client, Why};
use super::crowd::Crowd;
use super::desk::Desk;
use super::{Event, Failure, Over, Terms, Totals};
use crate::dump::Dump;
use crate::os::{Lookout, News, Sink, Source, Wish};
use crate::pipe::Listener;

/// How often clients that take nothing are looked at: poll does not tell of one that reads no more while
/// its queue is full, only a write does.
const TICK: Duration = Duration::from_millis(250);

/// One server, many clients.
pub(crate) struct Hub<'a> {
    pub(super) terms: &'a Terms,
    pub(super) listener: &'a Listener,
    pub(super) dump: &'a Dump,
    pub(super) totals: &'a Totals,
    pub(super) tell: &'a dyn Fn(Event<'_>),
    pub(super) desk: Desk,
    pub(super) clients: BTreeMap<u64, Client<'a>>,
    pub(super) crowd: Crowd,
    /// The greatest message that the kernel takes, where it has such a limit.
    pub(super) most: Option<usize>,
    alone_since: Instant,
    pub(super) no_room_until: Option<Instant>,
    tried_all: Instant,
    pub(super) buffer: Vec<u8>,
}

/// What a look at everything has shown.
#[derive(Default)]
struct Round {
    stdin: bool,
    stdout: News,
    door: bool,
    clients: Vec<(u64, News)>,
}

impl<'a> Hub<'a> {
    pub(crate) fn new(
        terms: &'a Terms,
        listener: &'a Listener,
        (stdin, stdout): (Source, Sink),
        dump: &'a Dump,
        totals: &'a Totals,
        tell: &'a dyn Fn(Event<'_>),
    ) -> Self {
        Hub {
            terms,
            listener,
            dump,
            totals,
            tell,
            desk: Desk::new(stdin, stdout, terms),
            clients: BTreeMap::new(),
            crowd: Crowd::default(),
            most: None,
            alone_since: Instant::now(),
            no_room_until: None,
            tried_all: Instant::now(),
            buffer: Vec::new(),
        }
    }

    /// Serves until nobody reads stdout any more or, where clients cannot send anything, until all of stdin is delivered.
    ///
    /// # Errors
    /// What no hub could go on with. A client's trouble is told, and is its own.
    pub(crate) fn run(&mut self) -> Result<Over, Failure> {
        loop {
            self.part();
            if self.is_all_delivered() {
                return Ok(Over::AllDelivered);
            }
            let round = self.look().map_err(Failure::Wait)?;
            if round.stdout.closed || !self.write(&round).map_err(Failure::Stdout)? {
                return Ok(Over::StdoutClosed);
            }
            self.attend(&round.clients);
            if round.stdin {
                self.speak()?;
            }
            if round.door {
                self.welcome().map_err(Failure::Accept)?;
            }
            self.check_wait()?;
        }
    }

    /// Has stdin ended, have all clients left, and can no client send anything?
    fn is_all_delivered(&self) -> bool {
        self.desk.source.is_none() && self.clients.is_empty() && !self.terms.direction.receives()
    }

    /// Has there been nobody for too long? Who is at the door is somebody.
    fn check_wait(&self) -> Result<(), Failure> {
        match self.terms.wait.filter(|_| self.clients.is_empty()) {
            Some(wait) if self.alone_since.elapsed() >= wait => Err(Failure::NobodyCame(wait)),
            _ => Ok(()),
        }
    }

    /// Lets those go who are done, or whose time is over.
    fn part(&mut self) {
        let now = Instant::now();
        self.no_room_until = self.no_room_until.filter(|until| *until > now);
        let (totals, is_said) = (self.totals, self.desk.source.is_none() && self.terms.ends_with_stdin());
        for client in self.clients.values_mut() {
            if is_said {
                client.finish(totals);
            }
            if let Some((_, why)) = client.deadline().filter(|(at, _)| *at <= now) {
                client.leave(why, totals);
            }
        }
        let over: Vec<u64> = self.clients.values().filter(|client| client.is_over()).map(|one| one.number).collect();
        for number in over {
            self.forget(number);
        }
        self.crowd = Crowd::of(self.clients.values());
    }

    fn forget(&mut self, number: u64) {
        let Some(client) = self.clients.remove(&number) else { return };
        let why = client.why.unwrap_or(Why::Over);
        if why == Why::TooSlow {
            self.totals.add_disconnected();
        }
        self.alone_since = Instant::now();
        let Client { peer, meter, counts, link, .. } = client;
        // It sees the end before anything is said about it.
        drop(link);
        (self.tell)(Event::Left { number, peer, meter: &meter, counts, why, now: self.clients.len() });
    }

    /// Waits until there is something to be done.
    fn look(&self) -> io::Result<Round> {
        let timeout = self.patience();
        let mut lookout = Lookout::default();
        let stdin = self.desk.source.as_ref().filter(|source| self.may_speak() && !source.is_taken());
        let stdout = Some(&self.desk.sink).filter(|_| self.terms.direction.receives());
        let door = self.has_room();
        if let Some(stdin) = stdin {
            lookout.add(stdin, Wish { to_take: true, to_give: false });
        }
        if let Some(stdout) = stdout {
            lookout.add(stdout, Wish { to_take: false, to_give: self.desk.has_unwritten() });
        }
        if door {
            lookout.add_listener(self.listener.entrance());
        }
        let mut watched = Vec::with_capacity(self.clients.len());
        for client in self.clients.values() {
            if let Some(wish) = client.wish(self.may_hear(client)) {
                lookout.add(&client.link, wish);
                watched.push(client.number);
            }
        }
        let mut news = lookout.wait(timeout)?.into_iter();
        let mut next = |is_there: bool| if is_there { news.next().unwrap_or_default() } else { News::default() };
        let (stdin, stdout, door) = (next(stdin.is_some()), next(stdout.is_some()), next(door));
        Ok(Round {
            stdin: stdin.to_take || stdin.closed,
            stdout,
            door: door.to_take,
            clients: watched.into_iter().zip(news).collect(),
        })
    }

    /// How long nothing has to be done by itself.
    fn patience(&self) -> Option<Duration> {
        if self.clients.values().any(|client| client.is_gone && self.may_hear(client)) {
            return Some(Duration::ZERO);
        }
        let now = Instant::now();
        let ticks = self.crowd.has_waiting || self.desk.source.as_ref().is_some_and(Source::is_taken);
        let alone =
            self.terms.wait.filter(|_| self.clients.is_empty()).and_then(|wait| self.alone_since.checked_add(wait));
        let deadlines = self.clients.values().filter_map(|client| client.deadline().map(|(at, _)| at));
        let all = deadlines.chain(alone).chain(self.no_room_until).map(|at| at.saturating_duration_since(now));
        all.chain(ticks.then_some(TICK)).min()
    }

    fn write(&mut self, round: &Round) -> io::Result<bool> {
        if self.desk.has_unwritten() && (round.stdout.to_give || !self.desk.sink.asks_first()) {
            return self.desk.write();
        }
        Ok(true)
    }

    /// Gives and takes what there is room for.
    fn attend(&mut self, news: &[(u64, News)]) {
        let tries_all = self.tried_all.elapsed() >= TICK;
        if tries_all {
            self.tried_all = Instant::now();
        }
        for &(number, news) in news {
            let Some(client) = self.clients.get_mut(&number) else { continue };
            if news.closed {
                client.gone(self.totals);
            }
            if (news.to_give || tries_all) && client.has_waiting() {
                client.give(self.totals);
            }
            if news.to_take {
                self.hear(number);
            }
        }
        let gone: Vec<u64> = self.clients.values().filter(|client| client.is_gone).map(|one| one.number).collect();
        for number in gone {
            self.hear(number);
        }
    }
}
