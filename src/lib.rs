//! pipetool: the netcat for pipes.
//!
//! The journey of a byte, which is also the map of this crate:
//!
//! 1. `commands` parses the command line (one file per subcommand) and opens the two sides;
//! 2. `pipe` knows pipe addresses, who may be at the other end, and how to listen and to connect;
//! 3. `bridge` has two flows, stdin to the peer and the peer to stdout, and owns every end of data;
//! 4. `os` moves the bytes: what differs between systems lives there, and so does all `unsafe`;
//! 5. `exit` says how it went, as an exit code, and `stderr` in one line.
//!
//! `send` and `recv` hold a conversation in place of 3: `transfer`. `hub` is the bridge of many clients at once.
//!
//! Beside them: `framing` tells messages apart, `progress` counts what moves and `dump` shows it,
//! `interrupt` cleans up when a signal ends us, and `stdio` is this process's own stdin and stdout.
//!
//! Imports point the way bytes go: `commands → bridge | hub | transfer | framing | progress | dump | interrupt | stdio →
//! pipe → os`. Nothing below `commands` knows clap or anyhow.

use std::process::ExitCode;

mod bridge;
mod commands;
mod dump;
mod exit;
#[doc(hidden)] // for fuzz/, and nobody else
pub mod framing;
mod hub;
mod interrupt;
mod os;
mod pipe;
mod progress;
mod stderr;
mod stdio;
#[doc(hidden)] // for fuzz/, and nobody else
pub mod transfer;

/// Runs the program with this process's arguments, and leaves as it should: with its exit code (the table
/// is in src/exit.rs), or by a signal where another filter would have died of it.
pub fn main() -> ExitCode {
    commands::run(std::env::args_os()).leave()
}

/// The whole command line as clap sees it: what completions and man pages are generated from.
pub fn command() -> clap::Command {
    commands::command()
}
