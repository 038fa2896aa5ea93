//! Who waits for the two flows, and decides what their ends mean.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::{Failure, Finish, LocalKind, Rules, Session};
use crate::os::{Connection, Ended, OneWay};
use crate::pipe::Direction;
use crate::progress::Meter;

/// What is known of a session so far.
pub(super) struct Conduct<'a> {
    rules: &'a Rules,
    meter: &'a Meter,
    local: LocalKind,
    connection: &'a Connection,
    quit_at: Option<Instant>,
    over_at: Option<Instant>,
    was_reset: bool,
    /// Was all that there was to send handed over?
    all_sent: bool,
    /// Since when the peer's silence counts as its end, where it cannot be told of ours.
    silent_since: Option<Instant>,
}

impl<'a> Conduct<'a> {
    pub(super) fn new(rules: &'a Rules, meter: &'a Meter, local: LocalKind, connection: &'a Connection) -> Self {
        Conduct {
            rules,
            meter,
            local,
            connection,
            quit_at: None,
            over_at: rules.time_limit.and_then(|limit| Instant::now().checked_add(limit)),
            was_reset: false,
            all_sent: false,
            silent_since: None,
        }
    }

    /// Waits until the session is over.
    pub(super) fn until_over(
        &mut self,
        direction: Direction,
        hear: &Receiver<(OneWay, Ended)>,
    ) -> Result<Session, Failure> {
        let mut running = usize::from(direction.sends()) + usize::from(direction.receives());
        while running > 0 {
            let over = match self.next_end(hear) {
                Ok((way, ended)) => {
                    running -= 1;
                    self.ended(way, ended)?
                }
                Err(RecvTimeoutError::Timeout) => match self.time_is_over() {
                    None => self.fell_silent()?,
                    over => over,
                },
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if let Some(session) = over {
                return Ok(session);
            }
        }
        if self.was_reset {
            return Err(Failure::Reset);
        }
        if direction == Direction::Out && self.all_sent {
            until_taken(self.connection, || self.time_is_over())
        } else {
            Ok(Session::Over)
        }
    }

    fn next_end(&self, hear: &Receiver<(OneWay, Ended)>) -> Result<(OneWay, Ended), RecvTimeoutError> {
        match self.quit_at.into_iter().chain(self.over_at).chain(self.idle_at()).chain(self.silent_at()).min() {
            Some(deadline) => hear.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            None => hear.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    /// A flow has ended: is the session over?
    fn ended(&mut self, way: OneWay, ended: Ended) -> Result<Option<Session>, Failure> {
        match (way, ended) {
            (_, Ended::Malformed(why)) => return Err(Failure::Malformed(why)),
            // A COMMAND has to answer yet.
            (_, Ended::Enough) if self.local == LocalKind::Command => {}
            (_, Ended::Enough) => return Ok(Some(Session::Over)),
            (OneWay::Out, Ended::ReadFailed(error)) => return Err(Failure::Stdin(error)),
            (OneWay::In, Ended::WriteFailed(error)) => return Err(Failure::Stdout(error)),
            (OneWay::Out, Ended::WriteFailed(error)) if is_reset(&error) => self.was_reset = true,
            (OneWay::In, Ended::ReadFailed(error)) if is_reset(&error) => self.was_reset = true,
            (OneWay::Out, Ended::WriteFailed(error)) => return Err(Failure::Send(error)),
            (OneWay::In, Ended::ReadFailed(error)) => return Err(Failure::Receive(error)),
            (OneWay::In, Ended::SinkClosed) if self.local != LocalKind::Command => {
                return Ok(Some(Session::StdoutClosed));
            }
            // It reads no more, or has gone, or has left without reading: the kernel noted which.
            (OneWay::Out, Ended::SinkClosed) => match self.connection.take_error() {
                Err(error) if is_reset(&error) => self.was_reset = true,
                _ => {}
            },
            (OneWay::In, Ended::SourceEnded) => {
                self.was_reset |= self.connection.take_error().is_err_and(|error| is_reset(&error));
                self.begin_to_quit();
                if self.local == LocalKind::Terminal && self.meter.received() > 0 {
                    return Ok(Some(Session::Over));
                }
            }
            (OneWay::Out, Ended::SourceEnded) => {
                self.all_sent = true;
                self.silent_since = Some(Instant::now());
                self.begin_to_quit();
            }
            (_, Ended::SinkClosed | Ended::Woken) => {}
        }
        Ok(None)
    }

    fn begin_to_quit(&mut self) {
        if self.quit_at.is_none() {
            self.quit_at = self.rules.quit_after.and_then(|after| Instant::now().checked_add(after));
        }
    }

    fn time_is_over(&self) -> Option<Session> {
        let is_over = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
        if is_over(self.quit_at) {
            return Some(Session::QuitAfter);
        }
        if is_over(self.over_at) {
            return Some(Session::TimeOver);
        }
        is_over(self.idle_at()).then_some(Session::Idle)
    }

    /// A silence means nothing while the peer has not taken all: then it begins anew.
    fn fell_silent(&mut self) -> Result<Option<Session>, Failure> {
        if self.silent_at().is_none_or(|at| at > Instant::now()) {
            return Ok(None);
        }
        if self.connection.untaken().map_err(Failure::Send)? > 0 {
            self.silent_since = Some(Instant::now());
            return Ok(None);
        }
        self.connection.take_error().map_err(as_send_failure)?;
        Ok(Some(Session::Over))
    }

    fn silent_at(&self) -> Option<Instant> {
        let Rules { patient, keep_open, finish, .. } = *self.rules;
        let since = self.silent_since.filter(|_| !patient && !keep_open && finish == Finish::Auto)?;
        let silence = self.connection.final_silence(self.meter.sent() > 0)?;
        since.max(self.meter.last_moved()).checked_add(silence)
    }

    fn idle_at(&self) -> Option<Instant> {
        self.rules.idle_timeout.and_then(|timeout| self.meter.last_moved().checked_add(timeout))
    }
}

/// With direction out the peer's end cannot be seen: then we are done when it has taken all, or gone, or when
/// the time for that `is_over`.
pub(super) fn until_taken(connection: &Connection, is_over: impl Fn() -> Option<Session>) -> Result<Session, Failure> {
    let mut pause = Duration::from_millis(1);
    loop {
        connection.take_error().map_err(as_send_failure)?;
        if connection.untaken().map_err(Failure::Send)? == 0 {
            // It may have left without reading in between.
            connection.take_error().map_err(as_send_failure)?;
            return Ok(Session::Over);
        }
        if let Some(time_is_over) = is_over() {
            return Ok(time_is_over);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(15));
    }
}

fn is_reset(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset
}

fn as_send_failure(error: io::Error) -> Failure {
    if is_reset(&error) { Failure::Reset } else { Failure::Send(error) }
}
