//! One connection, as serve and connect have it: said with -v, counted, moved, and its failures put
//! into the user's words.

use std::io;
use std::sync::Arc;

use anyhow::{Error, Result, anyhow};

use super::options::PipeOptions;
use crate::bridge::{Failure, Local, Rules, Session, bridge};
use crate::exit::Exit;
use crate::pipe::{PipeAddress, PipeStream};
use crate::progress::Meter;
use crate::{interrupt, stderr};

/// Bridges `pipe` to stdin and stdout until the session is over.
pub(crate) fn hold(local: &mut Local, pipe: PipeStream, options: &PipeOptions, rules: &Rules) -> Result<Exit> {
    let meter = Arc::new(Meter::start());
    let statistics = options.stats.then(|| {
        let meter = Arc::clone(&meter);
        interrupt::at_death(move || stderr::say(&meter.to_string()))
    });
    options.notice(|| format!("connected to {}", pipe.peer));
    let ended = bridge(local, pipe, rules, &meter);
    drop(statistics);
    if options.stats {
        stderr::say(&meter.to_string());
    }
    options.notice(|| format!("closed: {meter}"));
    match ended {
        Ok(Session::Over) => Ok(Exit::Done),
        Ok(Session::StdoutClosed) => Ok(Exit::StdoutClosed),
        Ok(Session::Idle) => Err(idle(options)),
        Err(failure) => Err(in_words(failure, &options.pipe)),
    }
}

/// Is a failure one of this process's own ends, with which no other client could be served?
pub(crate) fn is_fatal(error: &Error) -> bool {
    error.downcast_ref::<LocalEnd>().is_some()
}

/// Marks the failures of stdin and stdout.
#[derive(Debug)]
struct LocalEnd(&'static str);

impl std::fmt::Display for LocalEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

fn idle(options: &PipeOptions) -> Error {
    let limit = humantime::format_duration(options.idle_timeout.limit().unwrap_or_default());
    anyhow!(io::Error::new(io::ErrorKind::TimedOut, format!("no byte has moved for {limit}")))
        .context(format!("could not go on with '{}'", options.pipe))
}

fn in_words(failure: Failure, pipe: &PipeAddress) -> Error {
    match failure {
        Failure::Stdin(error) => Error::from(error).context(LocalEnd("could not read 'stdin'")),
        Failure::Stdout(error) => Error::from(error).context(LocalEnd("could not write to 'stdout'")),
        Failure::Send(error) => Error::from(error).context(format!("could not send to '{pipe}'")),
        Failure::Receive(error) => Error::from(error).context(format!("could not receive from '{pipe}'")),
        Failure::Reset => anyhow!(
            "could not deliver everything to '{pipe}': the peer left without reading all of it, or never took us on"
        ),
        Failure::Undelivered(bytes) => anyhow!(
            "could not deliver everything to '{pipe}': the peer reads no more, and {bytes} bytes from stdin are lost"
        ),
    }
}
