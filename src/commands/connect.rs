//! `pipetool connect`: a pipe's client, .NET's `NamedPipeClientStream`.

use std::ffi::OsString;

use anyhow::{Context, Result};
use clap::Args;

use super::options::PipeOptions;
use super::program::Program;
use super::session::{Sessions, exit_of};
use super::values::Patience;
use crate::exit::Exit;
use crate::os::{Seen, find_elsewhere};
use crate::pipe::{PipeAddress, Seek, Waited};
use crate::{interrupt, stderr, stdio};

/// Connect to a pipe, waiting for its server if need be, and bridge it to stdin and stdout
#[derive(Args, Debug)]
#[command(
    args_override_self = true,
    after_help = "Examples:\n  \
    echo hi | pipetool connect jobs              say hi to whoever serves 'jobs'\n  \
    pipetool connect -w 5 ./x.sock               talk to a socket; give up after 5 seconds\n  \
    pipetool connect -d in log > log.txt         receive only\n  \
    pipetool connect jobs -- ./worker            a program whose stdin and stdout are the pipe"
)]
pub(crate) struct Connect {
    #[command(flatten)]
    options: PipeOptions,

    /// A program whose stdin and stdout are the pipe: pipetool becomes it
    #[arg(last = true)]
    command: Vec<OsString>,
}

impl Connect {
    pub(crate) fn run(&self) -> Result<Exit> {
        let options = &self.options;
        let failed = || format!("could not connect to {}", options.meeting.whole_name());
        let seek = Seek::new(&options.meeting.pipe, options.manner()).with_context(failed)?;
        let sessions = Sessions::new(&options.bridge, &options.meeting.pipe)?;
        let program = Program::typed(&self.command, options, &sessions);
        interrupt::watch().context("could not watch for signals")?;
        let mut local = stdio::open();
        let stdout = local.sink.as_ref().filter(|_| program.is_none() && options.receives());
        let waited = seek
            .connect(options.meeting.wait.limit(), stdout, |seen| self.say_what_we_wait_for(seen))
            .with_context(failed)?;
        match (waited, program) {
            (Waited::NobodyReads | Waited::Woken, _) => Ok(Exit::StdoutClosed),
            (Waited::Found(pipe), Some(program)) => program.take_over(pipe),
            (Waited::Found(pipe), None) => {
                sessions.hold(&mut local, pipe, &options.rules(false)).map(|session| exit_of(&session))
            }
        }
    }

    /// Somebody who sits and waits may have mistyped the name. Who gave `--wait` gets an answer anyway.
    fn say_what_we_wait_for(&self, seen: Seen) {
        let options = &self.options;
        let Ok(place) = options.meeting.pipe.place() else { return };
        if options.meeting.wait != Patience::Forever {
            return;
        }
        let what = match seen {
            Seen::Nothing => "nothing is there yet",
            Seen::Stale => "a stale socket is there, whose server has gone",
            Seen::Busy => "its server is busy with other clients",
            Seen::NoWriter => "a FIFO is there that nobody writes to",
            Seen::NoReader => "a FIFO is there that nobody reads",
        };
        let elsewhere = match &options.meeting.pipe {
            PipeAddress::Name(name) if seen == Seen::Nothing => find_elsewhere(name, &place),
            _ => None,
        };
        let hint = elsewhere.map(|path| format!("; did you mean '{}'?", path.display())).unwrap_or_default();
        stderr::say(&format!("waiting for a server at '{place}': {what}{hint}"));
    }
}
