//! The hub: one thread between stdin, stdout and any number of clients. It owns who gets what, and what
//! happens to those who do not take it.
//!
//! What stdin brings goes to every client; what a client says goes to stdout and, in a relay, to the other
//! clients. Messages stay whole: a batch of them goes into the queue of each client as it is, or not at all.
//!
//! | what happens | then |
//! | --- | --- |
//! | nobody is connected | stdin is left alone: what it brings is for the first who comes |
//! | stdin ends | each client gets a finish behind what waits for it, later ones at once; in a relay nothing, for the others go on talking |
//! | a client finishes | it goes on receiving |
//! | a client has gone | what it said is still taken, then it is forgotten |
//! | a client reads no more | it goes on being heard |
//! | a client says what is no message, or what stdout cannot express | that client is let go |
//! | a client's queue is full | `--on-slow`: it misses messages, is disconnected, or all have to wait |
//! | *every* client's queue is full | those who talk wait for the first that takes something, for a second |
//! | stdout takes nothing | the clients are not heard for as long |
//! | nobody reads stdout | the hub is over |
//! | no file descriptor is free | clients wait in the backlog until one is |

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

mod client;
mod crowd;
mod desk;
mod label;
mod queue;
mod wire;

use client::Client;
pub(crate) use client::{Counts, Why};
use crowd::Crowd;
use desk::{Desk, Unsaid};
use label::To;
use queue::Batch;
pub(crate) use wire::Wire;

use crate::dump::Dump;
use crate::os::{Lookout, News, Peer, Sink, Source, Took, Wish};
use crate::pipe::{Direction, Listener, PipeStream};
use crate::progress::Meter;

/// How often clients that take nothing are looked at: poll does not tell of one that reads no more while
/// its queue is full, only a write does.
const TICK: Duration = Duration::from_millis(250);
/// Without free file descriptors, how long until we look again.
const OUT_OF_DESCRIPTORS_PAUSE: Duration = Duration::from_millis(50);
/// So many who wait are let in before those who are in are looked after again.
const AT_ONCE: usize = 64;

/// What happens to a client that does not take what is sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnSlow {
    /// It misses what does not fit into its queue.
    Drop,
    /// It is disconnected.
    Disconnect,
    /// All wait for it.
    Block,
}

/// What the user decided about a hub.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// Do clients hear each other?
    pub(crate) relays: bool,
    pub(crate) labelled: bool,
    pub(crate) on_slow: OnSlow,
    /// Bytes that may wait for a client.
    pub(crate) queue: usize,
    pub(crate) most_clients: Option<NonZeroUsize>,
    pub(crate) direction: Direction,
    /// Is stdin's end passed on?
    pub(crate) passes_end: bool,
    /// Ends the unused half of each connection at once.
    pub(crate) ends_unused_half: bool,
    /// How long to be without a client.
    pub(crate) wait: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) quit_after: Option<Duration>,
    pub(crate) client_timeout: Option<Duration>,
    /// How messages look on the pipe, and on stdin and stdout.
    pub(crate) wire: Wire,
    pub(crate) stdio: Wire,
    /// So many messages are wanted of each client.
    pub(crate) count: Option<u64>,
    pub(crate) largest: usize,
    pub(crate) strips_bom: bool,
}

/// What is told while it goes on.
pub(crate) enum Event<'a> {
    Came {
        number: u64,
        pipe: &'a PipeStream,
        now: usize,
    },
    Left {
        number: u64,
        peer: Option<Peer>,
        meter: &'a Meter,
        counts: Counts,
        why: Why,
        now: usize,
    },
    Refused(io::Error),
    /// What a client sent is no message, or cannot be one on stdout.
    Malformed {
        number: u64,
        why: String,
    },
    /// A message of stdin that cannot be sent.
    Unsaid {
        message: u64,
        why: String,
    },
    /// Messages for a client that is not there.
    Missed {
        number: u64,
        messages: u64,
    },
}

/// What ends a hub.
#[derive(Debug)]
pub(crate) enum Failure {
    Wait(io::Error),
    Accept(io::Error),
    /// There was no client for so long.
    NobodyCame(Duration),
    Stdin(io::Error),
    Stdout(io::Error),
    /// stdin cannot be told apart into messages any more.
    Malformed(String),
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

    fn add_sent(&self, bytes: usize, messages: u64) {
        self.meter.add_sent(bytes);
        self.sent.fetch_add(messages, Relaxed);
    }

    fn add_received(&self, bytes: usize, messages: u64) {
        self.meter.add_received(bytes);
        self.received.fetch_add(messages, Relaxed);
    }

    fn add_dropped(&self, messages: u64) {
        self.dropped.fetch_add(messages, Relaxed);
    }
}

/// One server, many clients.
pub(crate) struct Hub<'a> {
    terms: &'a Terms,
    listener: &'a Listener,
    dump: &'a Dump,
    totals: &'a Totals,
    tell: &'a dyn Fn(Event<'_>),
    desk: Desk,
    clients: BTreeMap<u64, Client<'a>>,
    crowd: Crowd,
    /// The greatest message that the kernel takes, where it has such a limit.
    most: Option<usize>,
    alone_since: Instant,
    no_room_until: Option<Instant>,
    tried_all: Instant,
    buffer: Vec<u8>,
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

    /// Goes on until nobody reads stdout any more.
    ///
    /// # Errors
    /// What no hub could go on with. A client's trouble is told, and is its own.
    pub(crate) fn run(&mut self) -> Result<(), Failure> {
        loop {
            self.part()?;
            let round = self.look().map_err(Failure::Wait)?;
            if round.stdout.closed || !self.write(&round).map_err(Failure::Stdout)? {
                return Ok(());
            }
            self.attend(&round.clients);
            if round.stdin {
                self.speak()?;
            }
            if round.door {
                self.welcome().map_err(Failure::Accept)?;
            }
        }
    }

    /// Lets those go who are done, or whose time is over.
    fn part(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        self.no_room_until = self.no_room_until.filter(|until| *until > now);
        let (totals, is_said) = (self.totals, self.desk.source.is_none() && self.passes_end());
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
        match self.terms.wait.filter(|_| self.clients.is_empty()) {
            Some(wait) if self.alone_since.elapsed() >= wait => Err(Failure::NobodyCame(wait)),
            _ => Ok(()),
        }
    }

    fn forget(&mut self, number: u64) {
        let Some(client) = self.clients.remove(&number) else { return };
        let why = client.why.unwrap_or(Why::Over);
        if why == Why::TooSlow {
            self.totals.disconnected.fetch_add(1, Relaxed);
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
        stdin.into_iter().for_each(|stdin| lookout.add(stdin, Wish { to_take: true, to_give: false }));
        let wish = Wish { to_take: false, to_give: self.desk.has_unwritten() };
        stdout.into_iter().for_each(|stdout| lookout.add(stdout, wish));
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
        gone.into_iter().for_each(|number| self.hear(number));
    }

    /// Takes what a client has said.
    fn hear(&mut self, number: u64) {
        let Some(client) = self.clients.get(&number).filter(|client| self.may_hear(client)) else { return };
        let took = client.link.take(&mut self.buffer);
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
    fn speak(&mut self) -> Result<(), Failure> {
        let (mut said, mut unsaid): (Vec<desk::Said>, Vec<Unsaid>) = (Vec::new(), Vec::new());
        let (wire, most, shows) = (self.terms.wire, self.most, self.dump.is_wanted());
        let read = self.desk.read(&mut said, &mut unsaid, |batch, message| batch.add(message, wire, most, shows));
        for (message, why) in unsaid {
            (self.tell)(Event::Unsaid { message, why });
        }
        for said in said.into_iter().filter(|said| !said.batch.is_empty()) {
            self.send(said.to, None, said.batch);
        }
        if self.desk.source.is_none() && !self.terms.relays {
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
            To::One(number) => match self.clients.get_mut(&number).filter(|client| client.listens()) {
                Some(client) => client.offer(&batch, on_slow, totals),
                None => {
                    totals.add_dropped(batch.len());
                    (self.tell)(Event::Missed { number, messages: batch.len() });
                }
            },
        }
        self.crowd = Crowd::of(self.clients.values());
    }

    /// Lets in those who wait.
    fn welcome(&mut self) -> io::Result<()> {
        for _ in 0..AT_ONCE {
            if !self.has_room() {
                break;
            }
            let refused = std::cell::Cell::new(false);
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
        let number = self.totals.clients.fetch_add(1, Relaxed) + 1;
        (self.tell)(Event::Came { number, pipe: &pipe, now: self.clients.len() + 1 });
        let peer = pipe.peer;
        let link = pipe.into_link(self.terms.ends_unused_half)?;
        self.most = self.most.or_else(|| link.largest_message());
        let mut client = Client::new(number, peer, link, self.terms);
        if self.dump.is_wanted() {
            let (received, sent) = (self.dump.direction(number, "<"), self.dump.direction(number, ">"));
            client = client.showing(Box::new(received), Box::new(sent));
        }
        if self.desk.source.is_none() && self.terms.direction.sends() && !self.terms.relays {
            client.quit_at = in_time(self.terms.quit_after);
        }
        self.clients.insert(number, client);
        Ok(())
    }

    /// May another come in?
    fn has_room(&self) -> bool {
        self.no_room_until.is_none() && self.terms.most_clients.is_none_or(|most| self.clients.len() < most.get())
    }

    /// Is stdin's end the last thing that clients are to be sent?
    fn passes_end(&self) -> bool {
        self.terms.passes_end && !self.terms.relays
    }

    /// May stdin's messages be taken? Not while there is nobody to take them.
    fn may_speak(&self) -> bool {
        self.crowd.listeners > 0 && self.crowd.has_room(self.terms.on_slow)
    }

    /// May a client's?
    fn may_hear(&self, client: &Client<'_>) -> bool {
        let has_room = || !self.terms.relays || self.crowd.without(client).has_room(self.terms.on_slow);
        client.receives && self.desk.has_room() && has_room()
    }
}

fn in_time(limit: Option<Duration>) -> Option<Instant> {
    limit.and_then(|limit| Instant::now().checked_add(limit))
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
        shown_received.iter().for_each(|show| show(message));
        let told = |why: String| format!("message {} {why}", counts.received);
        desk.put(*number, message).map_err(told)?;
        if terms.relays {
            relayed.add(message, terms.wire, None, shows).map_err(told)?;
        }
        Ok(())
    };
    match took {
        Took::Some(count) => reader.push(&buffer[..*count], each),
        Took::End => reader.finish(each),
        Took::NotYet | Took::Failed(_) => Ok(()),
    }
}
