//! `pipetool connect`: a pipe's client, .NET's `NamedPipeClientStream`.

use std::ffi::OsString;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;

use super::options::PipeOptions;
use super::program::Program;
use super::session::{Sessions, exit_of, is_fatal};
use super::values::Patience;
use crate::bridge::{Local, LocalKind, Session};
use crate::exit::{self, Exit};
use crate::os::{Seen, find_elsewhere};
use crate::pipe::{COMING_BACK, PipeAddress, PipeStream, Seek, Waited};
use crate::{interrupt, stderr, stdio};

/// Connect to a pipe, waiting for its server if need be, and bridge it to stdin and stdout
#[derive(Args, Debug)]
#[command(
    args_override_self = true,
    after_help = "Examples:\n  \
    echo hi | pipetool connect jobs              say hi to whoever serves 'jobs'\n  \
    pipetool connect -w 5 ./x.sock               talk to a socket; give up after 5 seconds\n  \
    pipetool connect -d in log > log.txt         receive only\n  \
    pipetool connect -k -d in log >> log.txt     the same, coming back when the server does\n  \
    pipetool connect jobs -- ./worker            a program whose stdin and stdout are the pipe"
)]
pub(crate) struct Connect {
    #[command(flatten)]
    options: PipeOptions,

    /// Come back when the server has gone, until stdout has no reader (with -d out: until all of stdin is sent)
    #[arg(short, long)]
    keep_open: bool,

    /// A program whose stdin and stdout are the pipe: pipetool becomes it, or with -k runs one per connection
    #[arg(last = true)]
    command: Vec<OsString>,
}

impl Connect {
    pub(crate) fn run(&self) -> Result<Exit> {
        let options = &self.options;
        let seek = self.seek()?;
        let sessions = Sessions::new(&options.bridge, &options.meeting.pipe)?;
        let program = Program::typed(&self.command, options, &sessions);
        interrupt::watch().context("could not watch for signals")?;
        let mut local = stdio::open();
        if self.keep_open {
            return self.again_and_again(seek, program, &mut local, &sessions);
        }
        match (self.find(seek, program.is_none().then_some(&local))?, program) {
            (None, _) => Ok(Exit::StdoutClosed),
            (Some(pipe), Some(program)) => program.take_over(pipe),
            (Some(pipe), None) => {
                sessions.hold(&mut local, pipe, &options.rules(false)).map(|session| exit_of(&session))
            }
        }
    }

    fn seek(&self) -> Result<Seek> {
        Seek::new(&self.options.meeting.pipe, self.options.manner()).with_context(|| self.failed())
    }

    fn failed(&self) -> String {
        format!("could not connect to {}", self.options.meeting.whole_name())
    }

    /// The connection, unless nobody reads the `local` stdout any more.
    fn find(&self, seek: Seek, local: Option<&Local>) -> Result<Option<PipeStream>> {
        let options = &self.options;
        let stdout = local.and_then(|local| local.sink.as_ref()).filter(|_| options.receives());
        let waited = seek
            .connect(options.meeting.wait.limit(), stdout, |seen| self.say_what_we_wait_for(seen))
            .with_context(|| self.failed())?;
        match waited {
            Waited::Found(pipe) => Ok(Some(pipe)),
            Waited::NobodyReads | Waited::Woken => Ok(None),
        }
    }

    /// Comes back whenever the server goes, the more slowly the sooner it did.
    fn again_and_again(
        &self,
        first: Seek,
        program: Option<Program<'_>>,
        local: &mut Local,
        sessions: &Sessions<'_>,
    ) -> Result<Exit> {
        let (mut seek, mut pause) = (first, COMING_BACK.0);
        let mut has_failed = false;
        loop {
            let Some(pipe) = self.find(seek, program.is_none().then_some(local))? else {
                return Ok(Exit::StdoutClosed);
            };
            let connected = Instant::now();
            let ended = match program {
                Some(program) => run_for(program, pipe),
                None => self.hold(local, pipe, sessions, &mut has_failed)?,
            };
            if let Some(exit) = ended {
                return Ok(exit);
            }
            if connected.elapsed() > COMING_BACK.1 {
                pause = COMING_BACK.0;
            }
            if self.is_stdout_closed_within(pause, program.is_none().then_some(local)) {
                return Ok(Exit::StdoutClosed);
            }
            pause = (pause * 2).min(COMING_BACK.1);
            seek = self.seek()?.unhurried();
        }
    }

    /// A connection of many: how that ends us, if it does. What a session lost makes the exit code 1, whatever later
    /// sessions deliver.
    fn hold(
        &self,
        local: &mut Local,
        pipe: PipeStream,
        sessions: &Sessions<'_>,
        has_failed: &mut bool,
    ) -> Result<Option<Exit>> {
        let is_one_way = !pipe.direction.receives();
        let held = sessions.hold(local, pipe, &self.options.rules(true));
        let has_said_all = local.has_said_all();
        let held = match held {
            Err(error) if !is_fatal(&error) => {
                exit::say(&error);
                *has_failed = true;
                Ok(Session::Over)
            }
            held => held,
        };
        match held {
            Ok(Session::StdoutClosed) => Ok(Some(Exit::StdoutClosed)),
            // There is nothing to come back for; or somebody has typed Ctrl-D.
            Ok(Session::QuitAfter) if has_said_all => Ok(Some(Exit::done_unless(*has_failed))),
            Ok(_) if has_said_all && (is_one_way || local.kind == LocalKind::Terminal) => {
                Ok(Some(Exit::done_unless(*has_failed)))
            }
            Ok(_) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn is_stdout_closed_within(&self, pause: Duration, local: Option<&mut Local>) -> bool {
        let stdout = local.and_then(|local| local.sink.as_ref()).filter(|_| self.options.receives());
        if let Some(stdout) = stdout {
            return stdout.closes_within(pause);
        }
        thread::sleep(pause);
        false
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
        let hint = match elsewhere {
            Some(path) => format!("; did you mean '{}'?", path.display()),
            None if seen == Seen::Nothing => "; 'pipetool list' shows what is".to_owned(),
            None => String::new(),
        };
        stderr::say(&format!("waiting for a server at '{place}': {what}{hint}"));
    }
}

/// A COMMAND that cannot be run ends us; that one has ended does not.
fn run_for(program: Program<'_>, pipe: PipeStream) -> Option<Exit> {
    match program.serve(pipe) {
        Ok(exit @ (Exit::NotFound | Exit::NotRunnable)) => Some(exit),
        Ok(_) => None,
        Err(error) => {
            exit::say(&error);
            None
        }
    }
}
