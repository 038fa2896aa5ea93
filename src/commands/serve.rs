//! `pipetool serve`: a pipe's server, .NET's `NamedPipeServerStream`.

use std::ffi::OsString;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Error, Result};
use clap::Args;

use super::hub::HubOptions;
use super::options::PipeOptions;
use super::program::Program;
use super::session::{Sessions, exit_of, is_fatal};
use super::slots::Slots;
use super::values::{self, Patience};
use crate::bridge::{Rules, Session};
use crate::exit::{self, Exit};
use crate::os::{self, Access, HandedOver, Instances, OwnedName, ReadyHandle, Sink, Wake};
use crate::pipe::{Direction, Listener, Waited};
use crate::{interrupt, stderr, stdio};

/// A client costs one thread, which sleeps while its COMMAND runs.
const SMALL_STACK: usize = 128 * 1024;

/// Create a pipe, wait for a client, and bridge it to stdin and stdout
#[derive(Args, Debug)]
#[command(
    args_override_self = true,
    after_help = "Examples:\n  \
    pipetool serve jobs                          print what one client sends, send it what is typed\n  \
    pipetool serve -k log -d in >> log.txt       collect what one client after another sends\n  \
    pipetool serve ./x.sock < answer.txt         give a file to the first client\n  \
    pipetool serve -k web -- ./handler.sh        a program for each client, all at once\n  \
    pipetool serve -k --hub=relay chat           what one client says, all others hear"
)]
pub(crate) struct Serve {
    #[command(flatten)]
    options: PipeOptions,

    /// Go on to the next client: stdin goes to whoever is connected, stdout collects all
    #[arg(short, long)]
    keep_open: bool,

    #[command(flatten)]
    hub: HubOptions,

    /// With -k and COMMAND or --hub: how many clients at once; the others wait
    #[arg(long, value_name = "N", value_parser = values::count::<NonZeroUsize>)]
    max_clients: Option<NonZeroUsize>,

    /// With -k: leave each client this long after it came, whatever is under way; its COMMAND is ended
    #[arg(long, value_name = "DURATION", allow_negative_numbers = true, value_parser = values::idle)]
    client_timeout: Option<Patience>,

    /// Take the name over from a server that has it; that one is told nothing
    #[arg(long)]
    replace: bool,

    /// Let clients on other computers in (Windows; with --peer any)
    #[arg(long)]
    remote: bool,

    /// Permissions of the socket, exact whatever the umask [default: 600]
    #[arg(long, value_name = "OCTAL", value_parser = values::permissions)]
    permissions: Option<u32>,

    /// Group of the socket
    #[arg(long, value_name = "NAME", value_parser = values::group)]
    group: Option<u32>,

    /// Write a newline to this inherited file descriptor once a client can connect
    #[arg(long, value_name = "N", value_parser = values::number::<u32>)]
    ready_fd: Option<u32>,

    /// A program whose stdin and stdout are the pipe: pipetool becomes it, or with -k runs one per client
    #[arg(last = true)]
    command: Vec<OsString>,
}

impl Serve {
    pub(crate) fn run(&self) -> Result<Exit> {
        let handed = HandedOver::take().context("could not take the sockets of LISTEN_FDS")?;
        let ready = self.ready_handle(&handed)?;
        let sessions = Sessions::new(&self.options.bridge, &self.options.meeting.pipe)?;
        let program = Program::typed(&self.command, &self.options, &sessions);
        let program = program.map(|program| program.at_most(self.time_limit()));
        let name = OwnedName::default();
        let _removed_at_death = interrupt::at_death({
            let name = name.clone();
            move || name.remove()
        });
        interrupt::watch().context("could not watch for signals")?;

        let wake = Arc::new(Wake::new().context("could not wait")?);
        let listener = self.listen(&name, handed)?;
        Serve::announce(ready)?;
        if self.hub.hub.is_some() {
            return self.hub.run(&self.options, &listener, self.max_clients, self.time_limit());
        }
        match (program, self.keep_open) {
            (None, false) => self.one_client(listener, &sessions, &wake),
            (None, true) => self.one_after_another(&listener, &sessions, &wake),
            (Some(program), false) => self.one_client_of(program, listener, &wake),
            (Some(program), true) => self.all_at_once(listener, program, &wake),
        }
    }

    fn one_client(&self, listener: Listener, sessions: &Sessions<'_>, wake: &Wake) -> Result<Exit> {
        let mut local = stdio::open();
        let Waited::Found(pipe) = self.accept(&listener, wake, local.sink.as_ref())? else {
            return Ok(Exit::StdoutClosed);
        };
        // The next server can start; clients that come now wait for it.
        drop(listener);
        sessions.hold(&mut local, pipe, &self.options.rules(false)).map(|session| exit_of(&session))
    }

    fn one_client_of(&self, program: Program<'_>, listener: Listener, wake: &Wake) -> Result<Exit> {
        let Waited::Found(pipe) = self.accept(&listener, wake, None)? else { return Ok(Exit::Done) };
        drop(listener);
        program.take_over(pipe)
    }

    fn one_after_another(&self, listener: &Listener, sessions: &Sessions<'_>, wake: &Wake) -> Result<Exit> {
        let mut local = stdio::open();
        let mut has_failed = false;
        while let Waited::Found(pipe) = self.accept(listener, wake, local.sink.as_ref())? {
            let rules = Rules { time_limit: self.time_limit(), ..self.options.rules(true) };
            let is_one_way = pipe.direction == Direction::Out;
            match sessions.hold(&mut local, pipe, &rules) {
                Ok(Session::StdoutClosed) => break,
                Err(error) if is_fatal(&error) || listener.is_fifo() => return Err(error),
                // One client's trouble is said, and is not the next one's.
                Err(error) => {
                    exit::say(&error);
                    has_failed = true;
                }
                Ok(_) => {}
            }
            // A later client could get nothing and send nothing.
            if is_one_way && local.has_said_all() {
                return Ok(Exit::done_unless(has_failed));
            }
        }
        Ok(Exit::StdoutClosed)
    }

    /// A COMMAND for each client, until SIGTERM: then those that run may finish.
    fn all_at_once(&self, listener: Listener, program: Program<'_>, wake: &Arc<Wake>) -> Result<Exit> {
        os::raise_handle_limit();
        let slots = Slots::new(self.max_clients);
        let winds_down = Arc::new(AtomicBool::new(false));
        interrupt::divert({
            let (wake, slots, winds_down) = (Arc::clone(wake), slots.clone(), Arc::clone(&winds_down));
            move |signal| {
                let is_first = signal == os::SIGTERM && !winds_down.swap(true, SeqCst);
                if is_first {
                    wake.give();
                    slots.close();
                }
                is_first
            }
        });
        let ended = thread::scope(|scope| {
            while let Some(slot) = slots.take() {
                let Waited::Found(pipe) = self.accept(&listener, wake, None)? else { break };
                let serve_one = move || {
                    program.serve(pipe).map_or_else(|error| exit::say(&error), drop);
                    drop(slot);
                };
                let started = thread::Builder::new().stack_size(SMALL_STACK).spawn_scoped(scope, serve_one);
                if let Err(error) = started {
                    exit::say(&Error::from(error).context("could not serve a client"));
                }
            }
            // No new clients while the last ones finish.
            drop(listener);
            Ok(Exit::Done)
        });
        if winds_down.load(SeqCst) {
            os::die_of_signal(os::SIGTERM);
        }
        ended
    }

    fn time_limit(&self) -> Option<Duration> {
        self.client_timeout.and_then(Patience::limit)
    }

    fn ready_handle(&self, handed: &HandedOver) -> Result<Option<ReadyHandle>> {
        let open = |number| {
            let opened = if handed.holds(number) { Err(taken()) } else { ReadyHandle::open(number) };
            opened.with_context(|| format!("could not use '--ready-fd {number}'"))
        };
        self.ready_fd.map(open).transpose()
    }

    /// Makes the socket, or takes the one that was made for us. Then it says where.
    fn listen(&self, name: &OwnedName, handed: HandedOver) -> Result<Listener> {
        let options = &self.options;
        let failed = || format!("could not serve {}", options.meeting.whole_name());
        if !handed.is_empty() {
            self.leave_alone_what_is_not_ours().with_context(failed)?;
            let (listener, what) =
                Listener::inherited(handed, &options.meeting.pipe, options.manner()).with_context(failed)?;
            options.bridge.notice(|| format!("listening on {what}, from LISTEN_FDS"));
            return Ok(listener);
        }
        let listener = self.make(name).with_context(failed)?;
        if let Ok(place) = options.meeting.pipe.place() {
            options.bridge.notice(|| format!("listening on '{place}'"));
        }
        Ok(listener)
    }

    /// A socket that was handed over is somebody else's file.
    fn leave_alone_what_is_not_ours(&self) -> io::Result<()> {
        if self.replace || self.permissions.is_some() || self.group.is_some() {
            let why = "the socket comes from LISTEN_FDS, and whoever made it decides about its file: \
                       leave '--permissions', '--group' and '--replace' out";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        Ok(())
    }

    fn make(&self, name: &OwnedName) -> io::Result<Listener> {
        let Serve { permissions, group, replace, remote, max_clients: most, .. } = *self;
        let access =
            Access { permissions, group, replace, instances: Instances { remote, most, ..Instances::default() } };
        Listener::bind(&self.options.meeting.pipe, self.options.manner(), access, self.keep_open, name)
    }

    fn announce(ready: Option<ReadyHandle>) -> Result<()> {
        if let Err(error) = os::notify_ready() {
            exit::say(&Error::from(error).context("could not tell NOTIFY_SOCKET that clients can connect"));
        }
        ready.map_or(Ok(()), ReadyHandle::ready).context("could not write to '--ready-fd'")
    }

    fn accept(&self, listener: &Listener, wake: &Wake, stdout: Option<&Sink>) -> Result<Waited> {
        let options = &self.options;
        let stdout = stdout.filter(|_| options.receives());
        listener
            .accept(options.meeting.wait.limit(), wake, stdout, |refusal| {
                stderr::say(&format!("refused a client: {refusal}"));
            })
            .with_context(|| format!("could not serve {}", options.meeting.whole_name()))
    }
}

fn taken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "that is a socket of LISTEN_FDS")
}
