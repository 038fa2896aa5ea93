//! `pipetool spawn-child`: anonymous pipes for a child that finds them by their handle IDs, .NET's
//! `AnonymousPipeServerStream`.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::thread;

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::carriers::{Other, OurEnd, carry};
use super::child_pipes::{self, ChildPipe, ChildWay, Plan};
use super::options::BridgeOptions;
use super::program;
use super::session::Sessions;
use super::usage;
use super::values::{self, Patience};
use crate::bridge::{self, Session};
use crate::exit::Exit;
use crate::os::{self, Child, Command, Connection, HandleId, Stdio, Wake};
use crate::pipe::{Direction, PipeEnds};
use crate::{interrupt, stdio};

/// Start PROGRAM with anonymous pipes, whose handle IDs it gets as arguments, bridged to stdin and stdout
#[derive(Args, Debug)]
#[command(
    args_override_self = true,
    after_help = "In every ARG, {in} is the ID of the pipe that PROGRAM reads (our stdin), {out} of the one that\n\
    it writes (our stdout); {NAME} is one that --pipe adds, {NAME.path} its path. Without {in},\n\
    {out}, --pipe and --env both IDs are appended, in then out; with --pipe alone these two pipes\n\
    are not made, and PROGRAM has our stdin and stdout as its own.\n\
    PROGRAM's exit code is ours (128+N if signal N ended it), and its pipes end with it: what it\n\
    wrote still comes, what a grandchild writes later does not, input that it left unread is no\n\
    failure. SIGTERM and SIGHUP are passed on to it.\n\nExamples:\n  \
    pipetool spawn-child ./child                           a .NET child: args[0] is in, args[1] is out\n  \
    pipetool spawn-child -- sh -c 'cat <&{in} >&{out}'     a shell child\n  \
    pipetool spawn-child --pipe a=in:unix:x.sock --pipe b=in:old.txt -- diff {a.path} {b.path}"
)]
pub(crate) struct SpawnChild {
    #[command(flatten)]
    options: BridgeOptions,

    /// Another pipe: PROGRAM reads (in) or writes (out) FILE through it. FILE is '-', a file or FIFO, or with
    /// a prefix a named pipe: //./pipe/NAME, unix:PATH, @NAME
    #[arg(long = "pipe", value_name = "NAME=in:FILE|NAME=out:FILE", value_parser = child_pipes::parse)]
    pipes: Vec<ChildPipe>,

    /// Pass the IDs in the environment, as PIPETOOL_IN, PIPETOOL_OUT and PIPETOOL_NAME; none is appended then
    #[arg(long)]
    env: bool,

    /// Where PROGRAM's own stdout goes [default: stderr if our stdout shows {out}, else inherit]
    #[arg(long, value_name = "inherit|stderr|null", hide_possible_values = true,
          value_parser = PossibleValuesParser::new(["inherit", "stderr", "null"]).map(|to| child_stdout(&to)))]
    child_stdout: Option<ChildStdout>,

    /// How long the pipes that --pipe names are waited for
    #[arg(short, long, value_name = "DURATION", allow_negative_numbers = true,
          default_value = "forever", value_parser = values::patience)]
    wait: Patience,

    /// The program and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_names = ["PROGRAM", "ARG"])]
    program: Vec<OsString>,
}

/// Where the child's stdout goes.
#[derive(Clone, Copy, Debug)]
enum ChildStdout {
    Inherit,
    Stderr,
    Null,
}

fn child_stdout(to: &str) -> ChildStdout {
    match to {
        "stderr" => ChildStdout::Stderr,
        "null" => ChildStdout::Null,
        _ => ChildStdout::Inherit,
    }
}

impl SpawnChild {
    pub(crate) fn run(&self) -> Result<Exit> {
        let (name, arguments) = self.program.split_first().context("there is no PROGRAM")?;
        let plan = match self.plan(name, arguments) {
            Ok(plan) => plan,
            Err(why) => return Ok(usage::report(&super::refused(why), &[])),
        };
        // First of all: the numbers are the lowest that are free.
        let ids = HandleId::reserve(plan.pipes.len()).context("could not make a pipe")?;
        let sessions = Sessions::new(&self.options, name.display())?;
        let others = plan.pipes.iter().map(|pipe| Other::open(pipe, self.wait)).collect::<Result<Vec<_>>>()?;
        let over = Arc::new(Wake::new().context("could not make a pipe")?);
        let (ids, ends) = self.make_pipes(&plan, ids, &over)?;

        let signals = Signals::default();
        signals.pass_on();
        interrupt::watch().context("could not watch for signals")?;
        let child = match self.command(name, &plan, ids).spawn() {
            Ok(child) => child,
            Err(error) => return Ok(program::not_started(name, &error)),
        };
        signals.child.store(child.id(), SeqCst);
        self.options.notice(|| format!("started '{}', pid {}", name.display(), child.id()));
        let (id, gone) = (child.id(), Arc::clone(&signals.child));
        thread::Builder::new()
            .name("child".into())
            .spawn(move || {
                os::wait_for_end(id);
                // From now on signals are ours: somebody may still be waited for on the child's behalf.
                gone.store(0, SeqCst);
                over.give();
            })
            .context("could not wait for the child")?;
        self.accompany(child, ends, others, &sessions)
    }

    /// The child's pipes, or why the command line goes against itself.
    fn plan(&self, name: &OsStr, arguments: &[OsString]) -> Result<Plan, String> {
        let plan = Plan::new(arguments, &self.pipes, self.options.direction, self.env)?;
        if name.as_encoded_bytes().starts_with(b"-") {
            let name = name.display();
            return Err(format!("there is no option '{name}' (and a PROGRAM of that name is './{name}')"));
        }
        if !os::HANDLES_HAVE_PATHS
            && let Some(path) = plan.mentioned_path()
        {
            return Err(format!("on this system a handle has no path that '{path}' could be"));
        }
        if self.options.must_see_bytes() && !plan.has_bridge() {
            return Err("'-i', '-q', '-x', '--log', '-p', '--stats' and messages are about {in} and {out}, \
                        which are not there"
                .into());
        }
        Ok(plan)
    }

    /// Moves bytes until the child has ended, and ends as it did.
    fn accompany(
        &self,
        mut child: Child,
        ends: Vec<OurEnd>,
        others: Vec<Other>,
        sessions: &Sessions<'_>,
    ) -> Result<Exit> {
        let mut bridged = PipeEnds {
            source: None,
            sink: None,
            mode: os::Mode::Byte,
            connection: Connection::none(),
            direction: Direction::InOut,
        };
        let failed = Arc::new(AtomicBool::new(false));
        let mut carriers = Vec::new();
        for (end, other) in ends.into_iter().zip(others) {
            match (end, other) {
                (OurEnd::ToChild(sink), Other::Bridge) => bridged.sink = Some(sink),
                (OurEnd::FromChild(source), Other::Bridge) => bridged.source = Some(source),
                (end, other) => carriers.push(carry(end, other, Arc::clone(&failed))?),
            }
        }
        let held = self.hold(bridged, sessions);
        match held {
            Ok(Session::QuitAfter) => {
                program::end(child);
                return Ok(Exit::Done);
            }
            Ok(_) => {}
            Err(error) => {
                program::end(child);
                return Err(error);
            }
        }
        os::wait_for_end(child.id());
        for carrier in carriers {
            let _ = carrier.join();
        }
        let status = child.wait().context("could not wait for the child")?;
        self.options.notice(|| format!("the child ended: {status}"));
        match os::exit_code(status) {
            0 if failed.load(SeqCst) => Ok(Exit::Failed),
            code => Ok(Exit::OfCommand(code)),
        }
    }

    fn hold(&self, mut bridged: PipeEnds, sessions: &Sessions<'_>) -> Result<Session> {
        bridged.direction = match (&bridged.source, &bridged.sink) {
            (None, None) => return Ok(Session::Over),
            (Some(_), None) => Direction::In,
            (None, Some(_)) => Direction::Out,
            (Some(_), Some(_)) => Direction::InOut,
        };
        // A child need not read all that there is, no more than `head` does.
        let rules = bridge::Rules { forgives_loss: true, ..self.options.rules() };
        sessions.hold_ends(&mut stdio::open(), bridged, None, || "the child".into(), &rules)
    }

    fn make_pipes(
        &self,
        plan: &Plan,
        mut ids: Vec<HandleId>,
        over: &Arc<Wake>,
    ) -> Result<(Vec<HandleId>, Vec<OurEnd>)> {
        let tell = |kept| self.options.notice(|| kept);
        let size = self.options.connection.buffer_size.map(|size| (size, &tell as _));
        let ends = plan.pipes.iter().zip(&mut ids).map(|(pipe, id)| match pipe.way {
            ChildWay::Reads => id.child_reads(Arc::clone(over), size).map(OurEnd::ToChild),
            ChildWay::Writes => id.child_writes(Arc::clone(over), size).map(OurEnd::FromChild),
        });
        let ends = ends.collect::<std::io::Result<_>>().context("could not make a pipe")?;
        Ok((ids, ends))
    }

    /// The child with its handles, which are closed here when the command is dropped.
    fn command(&self, name: &OsString, plan: &Plan, ids: Vec<HandleId>) -> Command {
        let mut command = Command::new(name);
        command.args(plan.arguments(&ids, |place| os::handle_path(&ids[place])));
        if self.env {
            command.envs(plan.environment(&ids));
        }
        if plan.uses_standard(ChildWay::Reads) {
            command.stdin(Stdio::null());
        }
        let by_default = if plan.uses_standard(ChildWay::Writes) { ChildStdout::Stderr } else { ChildStdout::Inherit };
        match self.child_stdout.unwrap_or(by_default) {
            ChildStdout::Inherit => {}
            ChildStdout::Stderr => drop(command.stdout(std::io::stderr())),
            ChildStdout::Null => drop(command.stdout(Stdio::null())),
        }
        os::keep_from_children();
        os::hand_over(&mut command, ids);
        command
    }
}

/// SIGTERM and SIGHUP go to the child, whose end is ours; a second one means now. SIGINT and SIGQUIT
/// reach it from the terminal anyway.
#[derive(Clone, Default)]
struct Signals {
    /// The child's process ID, 0 while there is none.
    child: Arc<AtomicU32>,
}

impl Signals {
    fn pass_on(&self) {
        let child = Arc::clone(&self.child);
        let mut passed = false;
        os::survive_quit();
        interrupt::divert(move |signal| match child.load(SeqCst) {
            0 => false,
            _ if signal == os::INTERRUPT => true,
            _ if passed => false,
            child => {
                os::signal_child(child, signal);
                passed = true;
                true
            }
        });
    }
}
