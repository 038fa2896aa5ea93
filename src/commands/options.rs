//! The options that several subcommands share, each with one meaning, and the grammar of their values.

use std::ffi::OsStr;
use std::time::Duration;

use clap::Args;
use clap::builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser};

use crate::bridge::{Finish, Rules};
use crate::os;
use crate::pipe::{Direction, PeerRule, PipeAddress};
use crate::stderr;

/// What every command that bridges one pipe to stdin and stdout takes.
#[derive(Args, Debug)]
pub(crate) struct PipeOptions {
    /// The pipe: NAME (where .NET looks for it), a PATH with a '/', @NAME, unix:PATH or \\.\pipe\NAME
    #[arg(value_name = "PIPE", value_parser = OsStringValueParser::new().try_map(|typed| pipe_address(&typed)))]
    pub(crate) pipe: PipeAddress,

    /// Which way bytes go, from this side: receive, send, or both
    #[arg(short, long, value_name = "in|out|inout", default_value = "inout", hide_possible_values = true,
          value_parser = PossibleValuesParser::new(["in", "out", "inout"]).map(|text| direction(&text)))]
    pub(crate) direction: Direction,

    /// How long to wait for the other side; 0 tries once. Exit code 124 when it is over
    #[arg(short, long, value_name = "DURATION", default_value = "forever", value_parser = patience)]
    pub(crate) wait: Patience,

    /// Give up (124) when no byte has moved either way for this long, counted from the connection on
    #[arg(short, long, value_name = "DURATION", default_value = "forever", value_parser = patience)]
    pub(crate) idle_timeout: Patience,

    /// Leave this long after stdin has ended or the peer has finished, whatever else is under way
    #[arg(short, long, value_name = "DURATION", default_value = "forever", value_parser = patience)]
    pub(crate) quit_after: Patience,

    /// Is stdin's end passed on? 'never' is for servers that drop a client which half-closes (ssh-agent, Node)
    #[arg(long, value_name = "auto|never", default_value = "auto", hide_possible_values = true,
          value_parser = PossibleValuesParser::new(["auto", "never"]).map(|when| finish(&when)))]
    pub(crate) finish: Finish,

    /// Who may be at the other end: this user (and root), anybody, or the user NAME. Unless told, user for a
    /// NAME and @NAME, which all users share, and any for a PATH, whose permissions decide
    #[arg(long, value_name = "user|any|NAME", value_parser = peer_rule)]
    pub(crate) peer: Option<PeerRule>,

    /// Print a line at the end: bytes, time, rate
    #[arg(long)]
    pub(crate) stats: bool,

    /// Say what happens, on stderr
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

impl PipeOptions {
    pub(crate) fn peer_rule(&self) -> PeerRule {
        let by_default = || if self.pipe.is_shared_name() { PeerRule::same_user() } else { PeerRule::Any };
        self.peer.unwrap_or_else(by_default)
    }

    pub(crate) fn rules(&self, keep_open: bool) -> Rules {
        Rules {
            direction: self.direction,
            finish: self.finish,
            idle_timeout: self.idle_timeout.limit(),
            quit_after: self.quit_after.limit(),
            keep_open,
        }
    }

    /// A line about what happens, for those who asked for it.
    pub(crate) fn notice(&self, line: impl FnOnce() -> String) {
        if self.verbose {
            stderr::say(&line());
        }
    }
}

/// How long to put up with something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    Forever,
    For(Duration),
}

impl Patience {
    pub(crate) fn limit(self) -> Option<Duration> {
        match self {
            Patience::Forever => None,
            Patience::For(limit) => Some(limit),
        }
    }
}

/// `250ms`, `5s`, `2m`, `1h`, seconds as a bare number, or `forever`.
fn patience(text: &str) -> Result<Patience, String> {
    if text == "forever" {
        return Ok(Patience::Forever);
    }
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .or_else(|| humantime::parse_duration(text).ok())
        .map(Patience::For)
        .ok_or_else(|| "expected a duration such as 250ms, 5s, 2m or 1h, a number of seconds, or 'forever'".into())
}

fn finish(when: &str) -> Finish {
    if when == "never" { Finish::Never } else { Finish::Auto }
}

fn direction(text: &str) -> Direction {
    match text {
        "in" => Direction::In,
        "out" => Direction::Out,
        _ => Direction::InOut,
    }
}

/// Parsed once, here at the edge; and a pipe that this system does not have is a mistake here too.
fn pipe_address(typed: &OsStr) -> Result<PipeAddress, Box<dyn std::error::Error + Send + Sync>> {
    let address = PipeAddress::parse(typed)?;
    address.place()?;
    Ok(address)
}

fn peer_rule(text: &str) -> Result<PeerRule, String> {
    match text {
        "user" => Ok(PeerRule::same_user()),
        "any" => Ok(PeerRule::Any),
        name => os::user_id(name).map(PeerRule::User).ok_or_else(|| format!("there is no user '{name}'")),
    }
}

/// Permission bits as chmod takes them.
pub(crate) fn permissions(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(bits @ 0..=0o777) => Ok(bits),
        _ => Err("expected permission bits in octal, such as 660".into()),
    }
}

pub(crate) fn group(name: &str) -> Result<u32, String> {
    os::group_id(name).ok_or_else(|| format!("there is no group '{name}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_or_are_seconds() {
        let ms = |ms| Ok(Patience::For(Duration::from_millis(ms)));
        for (text, expected) in [
            ("250ms", ms(250)),
            ("5s", ms(5000)),
            ("2m", ms(120_000)),
            ("1h", ms(3_600_000)),
            ("0.5", ms(500)),
            ("0", ms(0)),
        ] {
            assert_eq!(patience(text), expected, "{text}");
        }
        assert_eq!(patience("forever"), Ok(Patience::Forever));
        for text in ["", "-1", "5 parsecs", "nan", "inf", "1e400"] {
            assert!(patience(text).is_err(), "{text}");
        }
    }

    #[test]
    fn permissions_are_octal() {
        assert_eq!(permissions("660"), Ok(0o660));
        assert_eq!(permissions("0600"), Ok(0o600));
        for text in ["", "888", "1777", "u+w", "-1"] {
            assert!(permissions(text).is_err(), "{text}");
        }
    }
}
