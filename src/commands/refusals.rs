//! Options that have no meaning together, each refused in one sentence: the only table of them.

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::values::OnPipe;
use crate::bridge::Finish;
use crate::os::{HAS_REMOTE_CLIENTS, Mode};
use crate::pipe::{Direction, PeerRule, PipeAddress};

/// What makes a combination one of these, and what the user is told.
type Refusal = (fn(&Asked<'_>) -> bool, &'static str);

const REFUSALS: &[Refusal] = &[
    (
        |asked| asked.to_serve() && asked.pipe_is(is_handle),
        "fd:N is an open pipe already: there is nothing to serve, 'connect' uses it",
    ),
    (
        |asked| asked.has("max_clients") && !(asked.has("keep_open") && asked.has("command")),
        "'--max-clients' is for 'serve -k PIPE -- COMMAND': otherwise clients are served one after another",
    ),
    (
        |asked| asked.needs_messages() && !asked.may_have_messages(),
        "'--stdio', '--count', '--max-message' and '--strip-bom' are about messages: say how they are told apart, by '--framing' or '--mode message'",
    ),
    (
        |asked| asked.has("framing") && asked.get("mode") == Some(&Mode::Message),
        "with '--mode message' the pipe itself keeps messages apart: leave '--framing' out",
    ),
    (
        |asked| asked.has("count") && asked.direction() == Some(Direction::Out),
        "'--count' is of messages received, and with '-d out' none come",
    ),
    (
        |asked| asked.get("mode") == Some(&Mode::Message) && (asked.pipe_is(is_fifo) || asked.pipe_is(is_handle)),
        "this pipe carries bytes: '--framing' keeps messages apart in them",
    ),
    (
        |asked| asked.has("keep_open") && asked.has("command") && asked.has("progress"),
        "'--progress' shows one client, and 'serve -k PIPE -- COMMAND' has many at once: use '--stats'",
    ),
    (
        |asked| asked.pipe_is(is_abstract) && (asked.has("permissions") || asked.has("group")),
        "an abstract socket has no file that '--permissions' or '--group' could be given to: '--peer' says who may come",
    ),
    (
        |asked| asked.has("remote") && !HAS_REMOTE_CLIENTS,
        "'--remote' is of Windows: nobody can reach a socket from another computer",
    ),
    (
        |asked| asked.has("remote") && asked.get("peer") != Some(&PeerRule::Any),
        "clients on other computers do not say who they are: '--remote' goes with '--peer any'",
    ),
    (
        |asked| asked.pipe_is(is_abstract) && asked.has("replace"),
        "an abstract name cannot be taken over: it is free as soon as its server ends",
    ),
    (
        |asked| asked.pipe_is(is_fifo) && asked.direction() == Some(Direction::InOut),
        "a FIFO goes one way only: say '-d in' or '-d out'",
    ),
    (
        |asked| (asked.pipe_is(is_fifo) || asked.pipe_is(is_handle)) && asked.has("peer"),
        "this pipe does not say who is there, so '--peer' cannot be kept to",
    ),
    (
        |asked| (asked.pipe_is(is_fifo) || asked.pipe_is(is_handle)) && asked.never_finishes(),
        "a pipe's end is the end of its last writer and cannot be kept back: leave '--finish' out",
    ),
    (
        |asked| asked.pipe_is(is_fifo) && asked.has("keep_open") && asked.has("count"),
        "a FIFO's clients are one stream, which '--count' would cut in two: leave '-k' or '-n' out",
    ),
    (
        |asked| asked.pipe_is(is_fifo) && asked.has("keep_open") && asked.has("command"),
        "a FIFO cannot tell its clients apart: '-k PIPE -- COMMAND' needs a socket",
    ),
];

/// Why `matches` of `subcommand` cannot be, if so.
pub(crate) fn why_not(subcommand: &str, matches: &ArgMatches) -> Option<&'static str> {
    let asked = Asked { subcommand, matches };
    REFUSALS.iter().find(|(applies, _)| applies(&asked)).map(|(_, why)| *why)
}

/// What the user typed.
struct Asked<'a> {
    subcommand: &'a str,
    matches: &'a ArgMatches,
}

impl Asked<'_> {
    fn to_serve(&self) -> bool {
        self.subcommand == "serve"
    }

    /// Was the option given? One that this subcommand does not have was not.
    fn has(&self, option: &str) -> bool {
        self.matches.try_contains_id(option).unwrap_or(false)
            && self.matches.value_source(option) == Some(ValueSource::CommandLine)
    }

    /// An option's value; none where this subcommand has no such option.
    fn get<T: Clone + Send + Sync + 'static>(&self, option: &str) -> Option<&T> {
        self.matches.try_get_one(option).ok().flatten()
    }

    fn pipe_is(&self, kind: fn(&PipeAddress) -> bool) -> bool {
        self.get("pipe").is_some_and(kind)
    }

    fn direction(&self) -> Option<Direction> {
        self.get("direction").copied()
    }

    fn needs_messages(&self) -> bool {
        ["stdio", "count", "strip_bom", "max_message"].iter().any(|option| self.has(option))
    }

    /// A client finds out what its server has.
    fn may_have_messages(&self) -> bool {
        let framed = self.get("framing").is_some_and(|OnPipe(framing)| framing.is_some());
        self.subcommand == "connect" || framed || self.get("mode") == Some(&Mode::Message)
    }

    fn never_finishes(&self) -> bool {
        self.get("finish") == Some(&Finish::Never)
    }
}

fn is_fifo(pipe: &PipeAddress) -> bool {
    matches!(pipe, PipeAddress::Fifo(_))
}

fn is_abstract(pipe: &PipeAddress) -> bool {
    matches!(pipe, PipeAddress::Abstract(_))
}

fn is_handle(pipe: &PipeAddress) -> bool {
    matches!(pipe, PipeAddress::Handles(..))
}
