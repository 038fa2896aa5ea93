//! `pipetool serve`: a pipe's server, .NET's `NamedPipeServerStream`.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use anyhow::{Context, Error, Result};
use clap::Args;

use super::options::PipeOptions;
use super::program::Program;
use super::session::{Sessions, exit_of, is_fatal};
use super::slots::Slots;
use super::values;
use crate::bridge::Session;
use crate::exit::{self, Exit};
use crate::os::{self, Access, Instances, OwnedName, ReadyHandle, Sink, Wake};
use crate::pipe::{Listener, Waited};
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
    pipetool serve -k web -- ./handler.sh        a program for each client, all at once"
)]
pub(crate) struct Serve {
    #[command(flatten)]
    options: PipeOptions,

    /// Go on to the next client: stdin goes to whoever is connected, stdout collects all
    #[arg(short, long)]
    keep_open: bool,

    /// With -k and COMMAND: how many clients at once; the others wait
    #[arg(long, value_name = "N")]
    max_clients: Option<NonZeroUsize>,

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
    #[arg(long, value_name = "N")]
    ready_fd: Option<u32>,

    /// A program whose stdin and stdout are the pipe: pipetool becomes it, or with -k runs one per client
    #[arg(last = true)]
    command: Vec<OsString>,
}

impl Serve {
    pub(crate) fn run(&self) -> Result<Exit> {
        let ready = self.ready_handle()?;
        let sessions = Sessions::new(&self.options.bridge, &self.options.pipe)?;
        let program = Program::typed(&self.command, &self.options, &sessions);
        let name = OwnedName::default();
        let _removed_at_death = interrupt::at_death({
            let name = name.clone();
            move || name.remove()
        });
        interrupt::watch().context("could not watch for signals")?;

        let wake = Arc::new(Wake::new().context("could not wait")?);
        let listener = self.listen(&name)?;
        self.announce(ready)?;
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
        while let Waited::Found(pipe) = self.accept(listener, wake, local.sink.as_ref())? {
            match sessions.hold(&mut local, pipe, &self.options.rules(true)) {
                Ok(Session::StdoutClosed) => break,
                Err(error) if is_fatal(&error) || listener.is_fifo() => return Err(error),
                // One client's trouble is said, and is not the next one's.
                Err(error) => exit::say(&error),
                Ok(_) => {}
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

    fn ready_handle(&self) -> Result<Option<ReadyHandle>> {
        let open = |number| ReadyHandle::open(number).with_context(|| format!("could not use '--ready-fd {number}'"));
        self.ready_fd.map(open).transpose()
    }

    fn listen(&self, name: &OwnedName) -> Result<Listener> {
        let Serve { permissions, group, replace, remote, max_clients: most, .. } = *self;
        let access =
            Access { permissions, group, replace, instances: Instances { remote, most, ..Instances::default() } };
        Listener::bind(&self.options.pipe, self.options.manner(), access, self.keep_open, name)
            .with_context(|| format!("could not serve {}", self.options.whole_name()))
    }

    fn announce(&self, ready: Option<ReadyHandle>) -> Result<()> {
        if let Ok(place) = self.options.pipe.place() {
            self.options.bridge.notice(|| format!("listening on '{place}'"));
        }
        ready.map_or(Ok(()), ReadyHandle::ready).context("could not write to '--ready-fd'")
    }

    fn accept(&self, listener: &Listener, wake: &Wake, stdout: Option<&Sink>) -> Result<Waited> {
        let options = &self.options;
        let stdout = stdout.filter(|_| options.receives());
        listener
            .accept(options.wait.limit(), wake, stdout, |refusal| stderr::say(&format!("refused a client: {refusal}")))
            .with_context(|| format!("could not serve {}", options.whole_name()))
    }
}
