//! The subcommands: a table of what there is. Each has a file with its arguments and its `run`, which
//! reads like its man page: open, announce, move, report.

mod carriers;
mod child_pipes;
mod completions;
mod connect;
mod help;
mod hub;
mod list;
mod meeting;
mod messenger;
mod options;
mod program;
mod recv;
mod refusals;
mod send;
mod serve;
mod session;
mod slots;
mod spawn_child;
mod transfers;
mod usage;
mod values;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::exit::Exit;

/// The netcat for pipes: create a pipe, find the other side, and move bytes between it and stdin/stdout.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 120, arg_required_else_help = true,
          after_help = help::short(), after_long_help = help::long())]
struct Pipetool {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Connect(connect::Connect),
    Send(send::Send),
    Recv(recv::Recv),
    SpawnChild(spawn_child::SpawnChild),
    List(list::List),
}

/// The command line as clap sees it.
pub(crate) fn command() -> clap::Command {
    Pipetool::command()
}

/// Runs what the arguments ask for, and reports what failed.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = arguments.collect();
    if let Some(exit) = completions::answer(&arguments) {
        return exit;
    }
    let command = match parse(&arguments) {
        Ok(parsed) => parsed.command,
        Err(error) => return usage::report(&error, &arguments),
    };
    let result = match command {
        Command::Serve(serve) => serve.run(),
        Command::Connect(connect) => connect.run(),
        Command::Send(send) => send.run(),
        Command::Recv(recv) => recv.run(),
        Command::SpawnChild(spawn_child) => spawn_child.run(),
        Command::List(list) => list.run(),
    };
    result.unwrap_or_else(|error| Exit::of_error(&error))
}

fn parse(arguments: &[OsString]) -> clap::error::Result<Pipetool> {
    let matches = command().try_get_matches_from(arguments)?;
    match matches.subcommand().and_then(|(name, matches)| refusals::why_not(name, matches)) {
        Some(why) => Err(refused(why)),
        None => Pipetool::from_arg_matches(&matches),
    }
}

/// A command line whose parts do not go together.
fn refused(why: impl std::fmt::Display) -> clap::Error {
    command().error(ErrorKind::ArgumentConflict, why)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_definition_is_sound_and_its_help_is_at_most_120_columns_wide() {
        let mut command = super::command();
        command.clone().debug_assert();
        command.build();
        for subcommand in command.get_subcommands_mut() {
            let help = subcommand.render_long_help().to_string();
            let widest = help.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(120), "{}: {widest:?}", subcommand.get_name());
        }
    }
}
