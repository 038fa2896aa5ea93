//! `pipetool serve`: a pipe's server, .NET's `NamedPipeServerStream`.

use anyhow::{Context, Result};
use clap::Args;

use super::options::{self, PipeOptions};
use super::session;
use crate::bridge::Local;
use crate::exit::Exit;
use crate::os::{Access, OwnedName, ReadyHandle};
use crate::pipe::{Listener, PipeStream};
use crate::{interrupt, stdio};

/// Create a pipe, wait for a client, and bridge it to stdin and stdout
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    pipetool serve jobs                          print what one client sends, send it what is typed\n  \
    pipetool serve -k log -d in >> log.txt       collect what one client after another sends\n  \
    pipetool serve ./x.sock < answer.txt         give a file to the first client")]
pub(crate) struct Serve {
    #[command(flatten)]
    options: PipeOptions,

    /// Go on to the next client: stdin goes to whoever is connected, stdout collects all
    #[arg(short, long)]
    keep_open: bool,

    /// Permissions of the socket, exact whatever the umask [default: 600]
    #[arg(long, value_name = "OCTAL", value_parser = options::permissions)]
    permissions: Option<u32>,

    /// Group of the socket
    #[arg(long, value_name = "NAME", value_parser = options::group)]
    group: Option<u32>,

    /// Write a newline to this inherited file descriptor once a client can connect
    #[arg(long, value_name = "N")]
    ready_fd: Option<u32>,
}

impl Serve {
    pub(crate) fn run(&self) -> Result<Exit> {
        let options = &self.options;
        let ready = self.ready_handle()?;
        let name = OwnedName::default();
        let _removed_at_death = interrupt::at_death({
            let name = name.clone();
            move || name.remove()
        });
        interrupt::watch().context("could not watch for signals")?;

        let listener = self.listen(&name)?;
        self.announce(ready)?;
        let mut local = stdio::open();
        if self.keep_open {
            return self.serve_one_after_another(&listener, &mut local);
        }
        let pipe = self.accept(&listener)?;
        // The next server can start; clients that come now wait for it.
        drop(listener);
        session::hold(&mut local, pipe, options, &options.rules(false))
    }

    fn serve_one_after_another(&self, listener: &Listener, local: &mut Local) -> Result<Exit> {
        let options = &self.options;
        loop {
            let pipe = self.accept(listener)?;
            match session::hold(local, pipe, options, &options.rules(true)) {
                Ok(Exit::StdoutClosed) => return Ok(Exit::StdoutClosed),
                Err(error) if session::is_fatal(&error) => return Err(error),
                // One client's trouble is said, and is not the next one's.
                Err(error) => drop(Exit::of_error(&error)),
                Ok(_) => {}
            }
        }
    }

    fn ready_handle(&self) -> Result<Option<ReadyHandle>> {
        let open = |number| ReadyHandle::open(number).with_context(|| format!("could not use '--ready-fd {number}'"));
        self.ready_fd.map(open).transpose()
    }

    fn listen(&self, name: &OwnedName) -> Result<Listener> {
        let access = Access { permissions: self.permissions, group: self.group };
        Listener::bind(&self.options.pipe, self.options.peer_rule(), access, self.keep_open, name)
            .with_context(|| format!("could not serve '{}'", self.options.pipe))
    }

    fn announce(&self, ready: Option<ReadyHandle>) -> Result<()> {
        if let Ok(place) = self.options.pipe.place() {
            self.options.notice(|| format!("listening on '{place}'"));
        }
        ready.map_or(Ok(()), ReadyHandle::ready).context("could not write to '--ready-fd'")
    }

    fn accept(&self, listener: &Listener) -> Result<PipeStream> {
        let options = &self.options;
        listener
            .accept(options.wait.limit(), |refusal| options.notice(|| format!("refused a client: {refusal}")))
            .with_context(|| format!("could not serve '{}'", options.pipe))
    }
}
