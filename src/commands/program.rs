//! COMMAND, after `--`: a program whose stdin and stdout are the pipe.
//!
//! Where nothing has to see the bytes it gets the connection itself, and pipetool gets out of the way.
//! Otherwise pipetool stays between, over two anonymous pipes.

use std::ffi::{OsStr, OsString};
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::options::PipeOptions;
use super::session::Sessions;
use crate::bridge::{Finish, Local, LocalKind, Rules, Session};
use crate::exit::Exit;
use crate::os::{self, Child, Command, Cutter, Peer, Sink, Source, Stdio};
use crate::pipe::{PipeStream, peer_name};
use crate::{interrupt, stderr};

/// How long a child whose time is over may take for its end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A COMMAND as it was typed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program<'a> {
    name: &'a OsStr,
    arguments: &'a [OsString],
    sessions: &'a Sessions<'a>,
    options: &'a PipeOptions,
    /// How long it may run for one client of many.
    limit: Option<Duration>,
}

impl<'a> Program<'a> {
    /// The COMMAND in `words`, if there is one.
    pub(crate) fn typed(words: &'a [OsString], options: &'a PipeOptions, sessions: &'a Sessions<'a>) -> Option<Self> {
        let (name, arguments) = words.split_first()?;
        os::keep_from_children();
        Some(Program { name, arguments, sessions, options, limit: None })
    }

    /// Ends it when it has run for `limit`.
    pub(crate) fn at_most(self, limit: Option<Duration>) -> Self {
        Program { limit, ..self }
    }

    /// Gives `pipe` to COMMAND, as which this process goes on if it can.
    pub(crate) fn take_over(self, pipe: PipeStream) -> Result<Exit> {
        if self.must_stand_between(&pipe) {
            return self.stand_between(pipe);
        }
        self.options.bridge.connection.notice_buffer(&pipe);
        self.options.bridge.notice(|| format!("connected to {}", peer_name(pipe.peer)));
        let error = os::become_command(&mut self.with_pipe(pipe)?);
        Ok(not_started(self.name, &error))
    }

    /// Runs COMMAND for one client of many, and waits for its end.
    pub(crate) fn serve(self, pipe: PipeStream) -> Result<Exit> {
        if self.must_stand_between(&pipe) {
            return self.stand_between(pipe);
        }
        self.options.bridge.connection.notice_buffer(&pipe);
        self.options.bridge.notice(|| format!("connected to {}", peer_name(pipe.peer)));
        let peer = pipe.peer;
        // What the command has started may have the connection too, and outlive it.
        let cutter = self.limit.map(|_| pipe.cutter()).transpose().context("could not watch over the connection")?;
        // Our copy of the connection goes with the command, so that the peer sees the child end.
        let started = self.with_pipe(pipe)?.spawn();
        match started {
            Ok(child) if !self.is_over_in_time(child.id()) => {
                end(child);
                cutter.into_iter().for_each(Cutter::cut);
                let limit = humantime::format_duration(self.limit.unwrap_or_default());
                Err(anyhow!("could not go on with {}: the client's time of {limit} is over", peer_name(peer)))
            }
            Ok(child) => self.wait_for(child, peer),
            Err(error) => Ok(not_started(self.name, &error)),
        }
    }

    /// Waits for COMMAND's end as long as it may take; a signal that ends us meanwhile ends it too.
    fn is_over_in_time(self, id: u32) -> bool {
        let Some(limit) = self.limit else { return true };
        let _told_at_death = interrupt::at_death(move || os::end_politely(id));
        os::ends_within(id, limit)
    }

    fn must_stand_between(self, pipe: &PipeStream) -> bool {
        self.options.bridge.must_see_bytes() || !pipe.fits_programs()
    }

    /// Waits for COMMAND's end; a signal that ends us meanwhile ends it too.
    fn wait_for(self, mut child: Child, peer: Option<Peer>) -> Result<Exit> {
        let id = child.id();
        let told_at_death = interrupt::at_death(move || os::end_politely(id));
        os::wait_for_end(id);
        drop(told_at_death);
        let status = child.wait().with_context(|| format!("could not wait for '{}'", self.name.display()))?;
        self.options.bridge.notice(|| format!("'{}' for {} ended: {status}", self.name.display(), peer_name(peer)));
        Ok(Exit::OfCommand(os::exit_code(status)))
    }

    /// Bridges `pipe` to COMMAND over anonymous pipes.
    fn stand_between(self, pipe: PipeStream) -> Result<Exit> {
        let (peer, direction) = (pipe.peer, pipe.direction);
        let mut command = self.command(pipe.peer);
        command.stdin(if direction.receives() { Stdio::piped() } else { Stdio::inherit() });
        command.stdout(if direction.sends() { Stdio::piped() } else { Stdio::inherit() });
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Ok(not_started(self.name, &error)),
        };
        let mut local = Local {
            source: child.stdout.take().map(Source::child_output),
            sink: child.stdin.take().map(Sink::child_input),
            kind: LocalKind::Command,
            unsent: None,
        };
        let id = child.id();
        let told_at_death = interrupt::at_death(move || os::end_politely(id));
        let held = self.sessions.hold(&mut local, pipe, &Rules { time_limit: self.limit, ..self.options.rules(false) });
        // It sees the end of data, and has its own time to end.
        drop((local, told_at_death));
        match held {
            Ok(Session::QuitAfter) => {
                end(child);
                Ok(Exit::Done)
            }
            Ok(_) => self.wait_for(child, peer),
            Err(error) => {
                end(child);
                Err(error)
            }
        }
    }

    fn with_pipe(self, pipe: PipeStream) -> Result<Command> {
        let direction = pipe.direction;
        let mut command = self.command(pipe.peer);
        if self.options.rules(false).finish == Finish::Auto {
            pipe.end_unused_half();
        }
        let (input, output) =
            pipe.into_stdio().with_context(|| format!("could not give the pipe to '{}'", self.name.display()))?;
        if let Some(input) = input.filter(|_| direction.receives()) {
            command.stdin(input);
        }
        if let Some(output) = output.filter(|_| direction.sends()) {
            command.stdout(output);
        }
        Ok(command)
    }

    /// The command with what it may want to know of its peer.
    fn command(self, peer: Option<Peer>) -> Command {
        let mut command = Command::new(self.name);
        command.args(self.arguments);
        let known = [
            ("PIPETOOL_PEER_UID", peer.map(|peer| peer.user)),
            ("PIPETOOL_PEER_GID", peer.map(|peer| peer.group)),
            ("PIPETOOL_PEER_PID", peer.and_then(|peer| peer.pid)),
        ];
        for (name, value) in known {
            match value {
                Some(value) => command.env(name, value.to_string()),
                // Not one of an outer pipetool's.
                None => command.env_remove(name),
            };
        }
        os::prepare_child(&mut command);
        command
    }
}

/// Ends a child whose time is over: asked first, and not for long.
pub(crate) fn end(mut child: Child) {
    os::end_politely(child.id());
    let asked = Instant::now();
    while asked.elapsed() < LAST_WORDS {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Says why a program did not start, with a shell's codes for it.
pub(crate) fn not_started(name: &OsStr, error: &io::Error) -> Exit {
    stderr::say(&format!("could not run '{}': {}", name.display(), stderr::reason(error)));
    if error.kind() == io::ErrorKind::NotFound { Exit::NotFound } else { Exit::NotRunnable }
}
