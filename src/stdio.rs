//! This process's own stdin and stdout, unbuffered: one reader of stdin for the life of the process.

use std::io::IsTerminal;

use crate::bridge::Local;
use crate::os::{Sink, Source};

/// stdin and stdout as the local side of a bridge.
pub(crate) fn open() -> Local {
    Local { source: Some(Source::stdin()), sink: Some(Sink::stdout()), is_terminal: std::io::stdin().is_terminal() }
}
