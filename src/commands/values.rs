//! The grammar of the options' values.

use std::ffi::{OsStr, OsString};
use std::num::{IntErrorKind, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use serde_json::{Value, json};

use crate::bridge::Finish;
use crate::framing::{Form, Framing};
use crate::os::{self, Mode, Peer};
use crate::pipe::{Direction, PeerRule, PipeAddress};
use crate::progress::When;

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
pub(crate) fn patience(text: &str) -> Result<Patience, String> {
    if text == "forever" {
        return Ok(Patience::Forever);
    }
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .or_else(|| humantime::parse_duration(text).ok())
        .map(Patience::For)
        .ok_or_else(|| "expected a duration such as 250ms, 5s, 2m or 1h, a number of seconds, or 'forever'".into())
}

pub(crate) fn idle(text: &str) -> Result<Patience, String> {
    match patience(text)? {
        Patience::For(Duration::ZERO) => Err("0 would end it at once; 'forever' is without a limit".into()),
        patience => Ok(patience),
    }
}

/// How `--stats` looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statistics {
    /// For people.
    Text,
    /// For programs.
    Json,
}

pub(crate) fn statistics(text: &str) -> Statistics {
    if text == "json" { Statistics::Json } else { Statistics::Text }
}

/// Who is at the other end, as `--stats=json` says it.
pub(crate) fn peer_in_json(peer: Option<Peer>) -> Value {
    peer.map(|peer| json!({ "uid": peer.user, "gid": peer.group, "pid": peer.pid })).into()
}

pub(crate) fn when(text: &str) -> When {
    match text {
        "always" => When::Always,
        "never" => When::Never,
        _ => When::Auto,
    }
}

/// A number that need not be one of things.
pub(crate) fn number<N: TryFrom<u64>>(text: &str) -> Result<N, String> {
    let too_large = || "expected a smaller number".to_owned();
    match text.parse::<u64>() {
        Ok(number) => number.try_into().map_err(|_| too_large()),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Err(too_large()),
        Err(_) => Err("expected a number such as 10".to_owned()),
    }
}

/// How many of them.
pub(crate) fn count<N: TryFrom<NonZeroU64>>(text: &str) -> Result<N, String> {
    let count = NonZeroU64::new(number(text)?).ok_or("expected a number such as 10, more than 0")?;
    count.try_into().map_err(|_| "expected a smaller number".to_owned())
}

/// `64KiB` is 1024 bytes each, `1MB` a million, a bare number bytes.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let bytes = text.parse::<ByteSize>().ok().and_then(|size| usize::try_from(size.as_u64()).ok());
    // The kernel counts buffers in an int.
    let is_fit = |bytes: &usize| *bytes > 0 && i32::try_from(*bytes).is_ok();
    bytes
        .filter(is_fit)
        .ok_or_else(|| "expected a size such as 4096, 64KiB or 1MB, more than 0 and less than 2GiB".into())
}

/// A framing, or `none` said aloud.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnPipe(pub(crate) Option<Framing>);

pub(crate) fn framing(text: &str) -> Result<OnPipe, String> {
    if text == "none" { Ok(OnPipe(None)) } else { text.parse().map(|framing| OnPipe(Some(framing))) }
}

pub(crate) fn form(text: &str) -> Result<Form, String> {
    text.parse()
}

pub(crate) fn mode(text: &str) -> Mode {
    if text == "message" { Mode::Message } else { Mode::Byte }
}

pub(crate) fn finish(when: &str) -> Finish {
    if when == "never" { Finish::Never } else { Finish::Auto }
}

pub(crate) fn direction(text: &str) -> Direction {
    match text {
        "in" => Direction::In,
        "out" => Direction::Out,
        _ => Direction::InOut,
    }
}

/// `-` is a habit, and never a file that is meant.
pub(crate) fn log(path: OsString) -> Result<PathBuf, &'static str> {
    if path == "-" { Err("'-x' shows it on stderr, and './-' is a file") } else { Ok(path.into()) }
}

/// Parsed once, here at the edge; and a pipe that this system does not have is a mistake here too.
pub(crate) fn pipe_address(typed: &OsStr) -> Result<PipeAddress, Box<dyn std::error::Error + Send + Sync>> {
    let address = PipeAddress::parse(typed)?;
    address.place()?;
    Ok(address)
}

pub(crate) fn peer_rule(text: &str) -> Result<PeerRule, String> {
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
    fn numbers_are_what_people_call_numbers() {
        assert_eq!((number("0"), number::<u32>("4294967295")), (Ok(0_u32), Ok(u32::MAX)));
        assert_eq!((count("1"), count::<u64>("18446744073709551615")), (Ok(1_u64), Ok(u64::MAX)));
        for (text, expected) in [
            ("0", "more than 0"),
            ("", "such as 10"),
            ("x", "such as 10"),
            ("-1", "such as 10"),
            ("1.5", "such as 10"),
            ("99999999999999999999", "smaller"),
        ] {
            assert!(count::<u64>(text).unwrap_err().contains(expected), "{text}");
        }
        assert!(number::<u32>("4294967296").unwrap_err().contains("smaller"));
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
