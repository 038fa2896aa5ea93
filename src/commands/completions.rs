//! What a shell offers after TAB. The scripts in completions/ ask the program itself, by the variable COMPLETE;
//! clap_complete knows the subcommands and the options, and what else can be known is said here.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Command, ValueHint};
use clap_complete::CompleteEnv;
use clap_complete::engine::{
    ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};

use shells::SHELLS;

use super::{usage, values};
use crate::exit::Exit;
use crate::framing::NAMES;
use crate::os::{self, FoundPipe, PipeKind};

mod shells;

/// The variable by which a shell asks.
const VARIABLE: &str = "COMPLETE";

/// How messages look on stdin and stdout, besides.
const FORMS: &[&str] = &["lines", "whole", "base64", "hex"];

/// Answers a shell that asks, or prints its script. Who does not ask pays for a look into the environment.
pub(super) fn answer(arguments: &[OsString]) -> Option<Exit> {
    std::env::var_os(VARIABLE)?;
    let asked = CompleteEnv::with_factory(definition).var(VARIABLE).completer("pipetool").shells(SHELLS);
    match asked.try_complete(arguments, std::env::current_dir().ok().as_deref()) {
        Ok(true) => Some(Exit::Done),
        Ok(false) => None,
        Err(error) => Some(usage::report(&error, arguments)),
    }
}

/// The command line, and what completes its values.
fn definition() -> Command {
    super::command().mut_subcommands(|subcommand| subcommand.mut_args(completed))
}

fn completed(arg: Arg) -> Arg {
    match arg.get_id().as_str() {
        "pipe" => arg.add(ArgValueCompleter::new(pipes)),
        "framing" => arg.add(words(|| [&["none"], &NAMES[..]].concat())),
        "stdio" => arg.add(words(|| FORMS.to_vec())),
        "peer" => arg.add(words(|| vec!["user", "any"])),
        "directory" => arg.value_hint(ValueHint::DirPath),
        "command" | "program" => arg.value_hint(ValueHint::AnyPath),
        _ => arg,
    }
}

fn words(words: fn() -> Vec<&'static str>) -> ArgValueCandidates {
    ArgValueCandidates::new(move || words().into_iter().map(CompletionCandidate::new).collect())
}

/// Pipes that are there, and paths to others.
fn pipes(typed: &OsStr) -> Vec<CompletionCandidate> {
    let fits = |name: &String| is_plain(name) && typed.to_str().is_some_and(|typed| name.starts_with(typed));
    let mut offers: Vec<CompletionCandidate> =
        live_pipes().into_iter().filter(fits).map(CompletionCandidate::new).collect();
    // Before that it may be any file: there are too many.
    if typed.as_encoded_bytes().contains(&b'/') {
        let files = PathCompleter::any().filter(os::is_pipe).complete(typed);
        let is_new = |file: &CompletionCandidate| !offers.iter().any(|offer| offer.get_value() == file.get_value());
        let files: Vec<_> = files.into_iter().filter(is_new).collect();
        offers.extend(files);
    }
    offers
}

/// As they are typed. What is offered ends up in the user's command line: only what is this user's or root's is.
fn live_pipes() -> Vec<String> {
    let is_ours = |pipe: &FoundPipe| pipe.user.is_some_and(|user| [0, os::current_user()].contains(&user));
    let is_there = |pipe: &FoundPipe| pipe.is_live || pipe.kind == PipeKind::Fifo;
    let pipes = os::pipes().unwrap_or_default();
    pipes.into_iter().filter(|pipe| is_ours(pipe) && is_there(pipe)).map(as_typed).collect()
}

/// A NAME if that leads there: one of another TMPDIR, or one that looks like an option, has to be typed as a path.
fn as_typed(pipe: FoundPipe) -> String {
    let leads_there = || {
        let place = values::pipe_address(OsStr::new(&pipe.name)).ok().and_then(|address| address.place().ok());
        place.is_some_and(|place| place.to_string() == pipe.path)
    };
    if pipe.kind == PipeKind::Name && !pipe.name.starts_with('-') && leads_there() { pipe.name } else { pipe.path }
}

/// Can it stand in a command line as it is? Live names are offered without anything typed: those that a shell would
/// have to quote are better left out.
fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || "@%+,-./_".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::values;

    #[test]
    fn the_words_are_values_of_their_options() {
        for word in NAMES {
            assert!(values::framing(word).is_ok(), "{word}");
        }
        for word in FORMS {
            assert!(values::form(word).is_ok(), "{word}");
        }
    }

    #[test]
    fn what_a_shell_could_take_for_more_than_a_word_is_not_offered() {
        assert!(is_plain("jobs") && is_plain("@a/b") && is_plain("/tmp/ä-1.sock"));
        for name in ["a b", "$(x)", "`x`", "a;b", "a\nb", "a\x1b[0m", "*", "~", "a'b", "a|b", "a&b", "a>b", "!x", "#x"]
        {
            assert!(!is_plain(name), "{name:?}");
        }
    }

    #[test]
    fn every_option_that_is_completed_here_exists() {
        let command = super::super::command();
        let ids: Vec<&str> =
            command.get_subcommands().flat_map(Command::get_arguments).map(|arg| arg.get_id().as_str()).collect();
        for id in ["pipe", "framing", "stdio", "peer", "directory", "command", "program"] {
            assert!(ids.contains(&id), "{id}");
        }
    }
}
