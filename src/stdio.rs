//! This process's own stdin and stdout, unbuffered: one reader of stdin for the life of the process.

use std::io::IsTerminal;

use crate::os::{Sink, Source, stdio};

pub(crate) use crate::os::stdio::{close_stdin, finish_stdout};

/// The local ends of a bridge.
#[derive(Debug)]
pub(crate) struct Stdio {
    /// Keeps what it took and could not deliver for the next client.
    pub(crate) stdin: Source<'static>,
    pub(crate) stdout: Sink<'static>,
    pub(crate) stdin_is_terminal: bool,
}

impl Stdio {
    pub(crate) fn open() -> Self {
        Stdio { stdin: stdio::stdin(), stdout: stdio::stdout(), stdin_is_terminal: std::io::stdin().is_terminal() }
    }
}
