//! This process's own stdin and stdout, unbuffered: one reader of stdin for the life of the process.

use std::io::IsTerminal;

use crate::bridge::{Local, LocalKind};
use crate::os::{OneWay, Sink, Source};

/// stdin and stdout as the local side of a bridge.
pub(crate) fn open() -> Local {
    let kind = if is_typed() { LocalKind::Terminal } else { LocalKind::Filter };
    Local { source: Some(Source::stdin()), sink: Some(Sink::stdout()), kind, unsent: None }
}

/// Does somebody type what comes from stdin?
pub(crate) fn is_typed() -> bool {
    std::io::stdin().is_terminal()
}

/// The way that bytes go if one of stdin and stdout is a terminal and the other is not.
pub(crate) fn way_of_redirection() -> Option<OneWay> {
    match (is_typed(), std::io::stdout().is_terminal()) {
        (false, true) => Some(OneWay::Out),
        (true, false) => Some(OneWay::In),
        _ => None,
    }
}
