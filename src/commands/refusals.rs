//! Options that have no meaning together, each refused in one sentence: the only table of them.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::values::OnPipe;
use crate::bridge::Finish;
use crate::framing::Form;
use crate::hub::Hears;
use crate::os::{HAS_REMOTE_CLIENTS, Mode};
use crate::pipe::{Direction, PeerRule, PipeAddress};

/// What makes a combination one of these, and what the user is told.
type Refusal = (fn(&Asked<'_>) -> bool, &'static str);

const REFUSALS: &[Refusal] = &[
    (
        |asked| asked.to_serve() && asked.pipe_is(is_handle),
        "fd:N is an open pipe already: there is nothing to serve, 'connect' uses it",
    ),
    (|asked| asked.has("serve") && asked.pipe_is(is_handle), "fd:N is an open pipe already: there is nothing to serve"),
    (
        |asked| asked.subcommand == "send" && asked.has("quit_after") && !asked.is_plain(),
        "'--quit-after' is for programs that do not answer, with '--framing' or '--mode message': a receiver says itself when it has everything",
    ),
    (
        |asked| asked.transfers() && asked.has("max_message") && !asked.has_messages(),
        "'--max-message' is about messages: '--framing' or '--mode message' makes an item one",
    ),
    (
        |asked| {
            asked.receives_to_stdout() && ["force", "preserve", "print_names"].iter().any(|option| asked.has(option))
        },
        "'--force', '--preserve' and '--print-names' are about files: '-o FILE' or '-D DIR' writes some",
    ),
    (
        |asked| {
            let many = asked.has("keep_open") || asked.get("count").is_some_and(|count: &NonZeroU64| count.get() > 1);
            asked.subcommand == "recv" && many && asked.has("output") && !asked.receives_to_stdout()
        },
        "with '-k' or '-n' more than one item comes, and '-o' names one file: '-D DIR' takes them",
    ),
    (
        |asked| asked.subcommand == "recv" && asked.has("keep_open") && asked.has_fifo() && !asked.is_plain(),
        "a FIFO's senders are one stream, in which '-k' cannot tell them apart: leave '-k' out, or say '--framing'",
    ),
    (
        |asked| {
            let one = asked.get("count").is_none_or(|count: &NonZeroU64| count.get() == 1);
            asked.subcommand == "recv" && asked.is_plain() && !asked.has_messages() && !asked.has("keep_open") && !one
        },
        "with '--framing none' all that a sender has is one item: '-n' goes with '-k' there",
    ),
    (
        |asked| asked.has("keep_open") && asked.pipe_is(is_handle),
        "fd:N is one pipe, and there is no other to go on to: leave '-k' out",
    ),
    (|asked| asked.has("hub") && !asked.has("keep_open"), "'--hub' is for many clients: 'serve -k --hub PIPE'"),
    (
        |asked| asked.has("hub") && asked.has("command"),
        "'--hub' joins clients to stdin and stdout, a COMMAND is there for one of them: leave one of the two out",
    ),
    (
        |asked| !asked.has("hub") && ["on_slow", "queue", "label"].iter().any(|option| asked.has(option)),
        "'--on-slow', '--queue' and '--label' are for 'serve -k --hub PIPE'",
    ),
    (
        |asked| asked.relays() && matches!(asked.direction(), Some(Direction::In | Direction::Out)),
        "'--hub=relay' goes both ways: leave '-d' out ('</dev/null' says nothing, '>/dev/null' shows nothing)",
    ),
    (
        |asked| asked.has("label") && asked.get("stdio") == Some(&Form::Whole),
        "with '--stdio whole' nothing tells where a message begins, and its label: '--stdio base64' does",
    ),
    (|asked| asked.has("hub") && asked.has_fifo(), "a FIFO cannot tell its clients apart: '--hub' needs a socket"),
    (
        |asked| asked.has("max_clients") && !(asked.has("keep_open") && (asked.has("command") || asked.has("hub"))),
        "'--max-clients' is for 'serve -k PIPE -- COMMAND' and '--hub': otherwise clients are served one after another",
    ),
    (
        |asked| asked.has("client_timeout") && (!asked.has("keep_open") || asked.has_fifo()),
        "'--client-timeout' is for each client of 'serve -k' with a socket: for one alone there is timeout(1)",
    ),
    (
        |asked| asked.subcommand == "connect" && asked.has("keep_open") && asked.has("count"),
        "'--count' ends a connection and '-k' begins the next one: leave one of the two out",
    ),
    (
        |asked| !asked.transfers() && asked.needs_messages() && !asked.may_have_messages(),
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
        |asked| asked.get("mode") == Some(&Mode::Message) && (asked.has_fifo() || asked.pipe_is(is_handle)),
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
        |asked| asked.has_fifo() && asked.direction() == Some(Direction::InOut),
        "a FIFO goes one way only: say '-d in' or '-d out'",
    ),
    (
        |asked| {
            let asks = asked.get("peer").is_some_and(|rule: &PeerRule| *rule != PeerRule::Any);
            asked.has_fifo() && asks || asked.pipe_is(is_handle) && asked.has("peer")
        },
        "this pipe does not say who is there, so '--peer' cannot be kept to",
    ),
    (
        |asked| (asked.has_fifo() || asked.pipe_is(is_handle)) && asked.never_finishes(),
        "a pipe's end is the end of its last writer and cannot be kept back: leave '--finish' out",
    ),
    (
        |asked| asked.to_serve() && asked.has_fifo() && asked.has("keep_open") && asked.has("count"),
        "a FIFO's clients are one stream, which '--count' would cut in two: leave '-k' or '-n' out",
    ),
    (
        |asked| asked.has_fifo() && asked.has("keep_open") && asked.has("command"),
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

    /// Who connects finds one by any path.
    fn has_fifo(&self) -> bool {
        self.pipe_is(if self.to_serve() { is_fifo } else { leads_to_fifo })
    }

    fn direction(&self) -> Option<Direction> {
        self.get("direction").copied()
    }

    fn needs_messages(&self) -> bool {
        ["stdio", "count", "strip_bom", "max_message"].iter().any(|option| self.has(option))
    }

    fn transfers(&self) -> bool {
        ["send", "recv"].contains(&self.subcommand)
    }

    /// Is it said how messages are told apart?
    fn has_messages(&self) -> bool {
        let framed = self.get("framing").is_some_and(|OnPipe(framing)| framing.is_some());
        framed || self.get("mode") == Some(&Mode::Message)
    }

    /// Does the peer speak no protocol?
    fn is_plain(&self) -> bool {
        self.has("framing") || self.get("mode") == Some(&Mode::Message)
    }

    fn receives_to_stdout(&self) -> bool {
        let is_stdout = self.get::<PathBuf>("output").is_none_or(|path| path == Path::new("-"));
        self.subcommand == "recv" && is_stdout && !self.has("directory")
    }

    /// A client finds out what its server has.
    fn may_have_messages(&self) -> bool {
        self.subcommand == "connect" || self.has("hub") || self.has_messages()
    }

    fn relays(&self) -> bool {
        self.get("hub") == Some(&Hears::All)
    }

    fn never_finishes(&self) -> bool {
        self.get("finish") == Some(&Finish::Never)
    }
}

fn is_fifo(pipe: &PipeAddress) -> bool {
    matches!(pipe, PipeAddress::Fifo(_))
}

fn leads_to_fifo(pipe: &PipeAddress) -> bool {
    is_fifo(pipe) || pipe.place().is_ok_and(|place| place.is_fifo())
}

fn is_abstract(pipe: &PipeAddress) -> bool {
    matches!(pipe, PipeAddress::Abstract(_))
}

fn is_handle(pipe: &PipeAddress) -> bool {
    matches!(pipe, PipeAddress::Handles(..))
}
