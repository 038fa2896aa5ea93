//! Pipe addresses: the one grammar for what a user types for a pipe (DESIGN section 2).
//!
//! Parsing is pure: it looks at the text alone and is the same on every system. Where the pipe is on
//! this system, and whether this system has such pipes at all, is [`PipeAddress::place`]'s answer.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use super::PeerRule;
use crate::os::Place;

/// What the user typed for a pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PipeAddress {
    /// A bare name, .NET's `pipeName`: a socket in `$TMPDIR` on Unix, `\\.\pipe\NAME` on Windows.
    Name(OsString),
    /// A file: a socket, or a FIFO if one is there.
    Path(PathBuf),
    /// A Linux abstract socket, without its `@`.
    Abstract(OsString),
    /// A FIFO.
    Fifo(PathBuf),
    /// Handle IDs inherited from the parent: the first is read, the second (if there is one) written.
    Handles(u64, Option<u64>),
    /// A named pipe of another computer (Windows only).
    Remote {
        /// The computer.
        host: String,
        /// The pipe's name there.
        name: String,
    },
}

/// Why a text is no pipe address: a sentence that says what was expected.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AddressError(String);

impl PipeAddress {
    /// Parses what the user typed, which on Unix need not be UTF-8.
    pub(crate) fn parse(typed: &OsStr) -> Result<Self, AddressError> {
        let text = typed.to_string_lossy();
        let parsed: PipeAddress = text.parse()?;
        match parsed {
            // The whole text is the name or the path: take its bytes as they are.
            PipeAddress::Name(name) if name == *text => Ok(PipeAddress::Name(typed.into())),
            PipeAddress::Path(path) if path.as_os_str() == &*text => Ok(PipeAddress::Path(typed.into())),
            parsed if typed.to_str().is_some() => Ok(parsed),
            _ => Err(refuse("after a prefix an address has to be UTF-8; as a bare NAME or PATH it need not be")),
        }
    }

    /// Where this pipe is on this system.
    ///
    /// # Errors
    /// `Unsupported` or `InvalidInput` with a sentence for the user where this system has no such
    /// pipe, or the name is longer than a socket's may be.
    pub(crate) fn place(&self) -> io::Result<Place> {
        match self {
            PipeAddress::Name(name) => Place::named(name),
            PipeAddress::Path(path) => Place::at_path(path),
            PipeAddress::Abstract(name) => Place::in_abstract_namespace(name),
            PipeAddress::Remote { host, name } => Place::on_host(host, name),
            PipeAddress::Fifo(path) => Place::fifo(path),
            PipeAddress::Handles(number, other) => Place::of_handles(*number, *other),
        }
    }

    /// Who may come as a client, unless the user says otherwise: for a name that all users share this one, for a path
    /// those whom the permissions let in that its server gave it.
    pub(super) fn rule_of_clients(&self) -> PeerRule {
        if self.is_shared_name() { PeerRule::same_user() } else { PeerRule::Any }
    }

    /// Who may be the server, likewise: where everybody can make a file, its permissions are those of whoever came
    /// first.
    pub(super) fn rule_of_servers(&self) -> PeerRule {
        let is_anybodys = || self.place().is_ok_and(|place| place.is_anybodys());
        if self.is_shared_name() || is_anybodys() { PeerRule::same_user() } else { PeerRule::Any }
    }

    /// Is the name in a namespace that all users share? Then only the peer's identity can be trusted.
    fn is_shared_name(&self) -> bool {
        matches!(self, PipeAddress::Name(_) | PipeAddress::Abstract(_) | PipeAddress::Remote { .. })
    }
}

impl FromStr for PipeAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(name) = after_pipe_prefix(text) {
            return bare_name(name);
        }
        if let Some(rest) = text.strip_prefix(r"\\") {
            return on_another_computer(rest);
        }
        if let Some(rest) = text.strip_prefix('@') {
            return nonempty(rest, "@NAME").map(|name| PipeAddress::Abstract(name.into()));
        }
        match text.split_once(':') {
            Some(("unix", rest)) => unix(rest),
            Some(("npipe", rest)) => npipe(rest),
            Some(("fifo", rest)) => nonempty(rest, "fifo:PATH").map(|path| PipeAddress::Fifo(path.into())),
            Some(("fd", rest)) => handles(rest),
            Some((word, rest)) if rest.contains('/') && is_scheme(word) => Err(refuse(&format!(
                "'{word}:' is no kind of pipe address; expected NAME, a PATH with a '/', unix:PATH, fifo:PATH, fd:N or @NAME ('./{text}' is the file)"
            ))),
            _ if text.contains('/') => path(text),
            _ => bare_name(text),
        }
    }
}

fn refuse(why: &str) -> AddressError {
    AddressError(why.to_owned())
}

fn nonempty<'a>(rest: &'a str, form: &str) -> Result<&'a str, AddressError> {
    if rest.is_empty() { Err(refuse(&format!("expected {form}"))) } else { Ok(rest) }
}

/// A URL's scheme, as RFC 3986 section 3.1 spells it.
fn is_scheme(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c))
}

/// What follows `\\.\pipe\` or one of its spellings: shells eat backslashes, Node writes `?`.
fn after_pipe_prefix(text: &str) -> Option<&str> {
    let head = text.get(..9)?;
    let spelled = head.replace('/', "\\").replace('?', ".");
    spelled.eq_ignore_ascii_case(r"\\.\pipe\").then(|| &text[9..])
}

fn bare_name(name: &str) -> Result<PipeAddress, AddressError> {
    if name.is_empty() {
        return Err(refuse("a pipe's name cannot be empty (is a variable unset?)"));
    }
    if name.eq_ignore_ascii_case("anonymous") {
        return Err(refuse("the name 'anonymous' is reserved, as in .NET"));
    }
    Ok(PipeAddress::Name(name.into()))
}

fn path(text: &str) -> Result<PipeAddress, AddressError> {
    if text.is_empty() || text.ends_with('/') {
        return Err(refuse("a path has to end in a file's name"));
    }
    Ok(PipeAddress::Path(text.into()))
}

/// `HOST\pipe\NAME`, what follows the two backslashes.
fn on_another_computer(rest: &str) -> Result<PipeAddress, AddressError> {
    let mut parts = rest.splitn(3, '\\');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(host), Some(share), Some(name))
            if !host.is_empty() && share.eq_ignore_ascii_case("pipe") && !name.is_empty() =>
        {
            Ok(PipeAddress::Remote { host: host.into(), name: name.into() })
        }
        _ => Err(refuse(r"expected \\.\pipe\NAME or \\HOST\pipe\NAME")),
    }
}

/// What follows `unix:`: a path as Docker and gRPC write it, or a D-Bus address's keys
/// (D-Bus specification, "Server Addresses").
fn unix(rest: &str) -> Result<PipeAddress, AddressError> {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let first_key = rest.split(',').next().unwrap_or(rest);
    match first_key.split_once('=') {
        Some(("path", value)) => path(&unescaped(value)?),
        Some(("abstract", value)) => {
            nonempty(value, "unix:abstract=NAME").and_then(unescaped).map(|name| PipeAddress::Abstract(name.into()))
        }
        _ => path(rest),
    }
}

/// D-Bus writes the bytes it does not like as `%20`.
fn unescaped(value: &str) -> Result<String, AddressError> {
    let bad = || refuse("expected two hexadecimal digits after each '%' of a D-Bus address, and UTF-8 as the result");
    let mut bytes = Vec::with_capacity(value.len());
    let mut pieces = value.split('%');
    bytes.extend(pieces.next().unwrap_or_default().bytes());
    for piece in pieces {
        let digits = piece.get(..2).ok_or_else(bad)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| bad())?);
        bytes.extend(piece.bytes().skip(2));
    }
    if bytes.contains(&0) {
        return Err(refuse("a pipe's name cannot hold a NUL"));
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

/// What follows `npipe:`, as Docker writes it: two slashes in front of `//./pipe/NAME`.
fn npipe(rest: &str) -> Result<PipeAddress, AddressError> {
    rest.strip_prefix("//")
        .and_then(after_pipe_prefix)
        .or_else(|| after_pipe_prefix(rest))
        .map_or_else(|| Err(refuse("expected npipe:////./pipe/NAME")), bare_name)
}

fn handles(rest: &str) -> Result<PipeAddress, AddressError> {
    match rest.split_once(',') {
        Some((read, write)) => Ok(PipeAddress::Handles(handle(read)?, Some(handle(write)?))),
        None => Ok(PipeAddress::Handles(handle(rest)?, None)),
    }
}

/// A handle ID, as leniently as .NET reads it: spaces around it, a plus sign, leading zeros.
fn handle(text: &str) -> Result<u64, AddressError> {
    text.trim()
        .parse()
        .map_err(|_| refuse(&format!("expected fd:N or fd:R,W with the decimal numbers of open handles, not '{text}'")))
}

impl fmt::Display for PipeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PipeAddress::Name(name) => write!(f, "{}", name.display()),
            PipeAddress::Path(path) => write!(f, "{}", path.display()),
            PipeAddress::Abstract(name) => write!(f, "@{}", name.display()),
            PipeAddress::Fifo(path) => write!(f, "fifo:{}", path.display()),
            PipeAddress::Handles(read, None) => write!(f, "fd:{read}"),
            PipeAddress::Handles(read, Some(write)) => write!(f, "fd:{read},{write}"),
            PipeAddress::Remote { host, name } => write!(f, r"\\{host}\pipe\{name}"),
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> PipeAddress {
        PipeAddress::Name(name.into())
    }

    fn file(path: &str) -> PipeAddress {
        PipeAddress::Path(path.into())
    }

    #[test]
    fn every_form_of_the_grammar() {
        let remote = PipeAddress::Remote { host: "HOST".into(), name: r"a\b".into() };
        for (typed, expected) in [
            ("jobs", name("jobs")),
            (" a b", name(" a b")),
            ("-x", name("-x")),
            ("..", name("..")),
            ("word:x", name("word:x")),
            (r"LOCAL\x", name(r"LOCAL\x")),
            ("anonymous ", name("anonymous ")),
            ("unixx", name("unixx")),
            ("/dir/x", file("/dir/x")),
            ("./x", file("./x")),
            ("dir/x", file("dir/x")),
            ("./word:x", file("./word:x")),
            ("dir/word:x", file("dir/word:x")),
            ("1:/x", file("1:/x")),
            (r"\\.\pipe\jobs", name("jobs")),
            (r"\\.\PIPE\jobs", name("jobs")),
            ("//./pipe/jobs", name("jobs")),
            (r"\\?\pipe\jobs", name("jobs")),
            ("//?/pipe/fifo:x", name("fifo:x")),
            (r"\\.\pipe\@x", name("@x")),
            (r"\\HOST\pipe\a\b", remote),
            ("unix:x.sock", file("x.sock")),
            ("unix:/run/x", file("/run/x")),
            ("unix:///run/docker.sock", file("/run/docker.sock")),
            ("unix:path=/run/user/0/bus,guid=00ff", file("/run/user/0/bus")),
            ("unix:path=/tmp/a%20b", file("/tmp/a b")),
            ("unix:abstract=/tmp/dbus-x,guid=00", PipeAddress::Abstract("/tmp/dbus-x".into())),
            ("npipe:////./pipe/docker_engine", name("docker_engine")),
            ("@x", PipeAddress::Abstract("x".into())),
            ("@/a/b", PipeAddress::Abstract("/a/b".into())),
            ("fifo:x", PipeAddress::Fifo("x".into())),
            ("fd:3", PipeAddress::Handles(3, None)),
            ("fd: +03 ,4", PipeAddress::Handles(3, Some(4))),
        ] {
            assert_eq!(typed.parse(), Ok(expected), "{typed}");
        }
    }

    #[test]
    fn what_is_no_address_says_what_was_expected() {
        for (typed, expected) in [
            ("", "empty"),
            ("anonymous", "reserved"),
            ("ANONYMOUS", "reserved"),
            (r"\\.\pipe\Anonymous", "reserved"),
            (r"\\.\pipe\", "empty"),
            (r"\\HOST\share\x", r"\\HOST\pipe\NAME"),
            (r"\\x", r"\\HOST\pipe\NAME"),
            ("dir/", "end in a file's name"),
            ("/", "end in a file's name"),
            ("unix:", "end in a file's name"),
            ("unix:path=", "end in a file's name"),
            ("unix:path=/a%zz", "hexadecimal"),
            ("unix:path=/a%f", "hexadecimal"),
            ("unix:path=/a%00", "NUL"),
            ("npipe:x", "npipe:////./pipe/NAME"),
            ("@", "@NAME"),
            ("fifo:", "fifo:PATH"),
            ("fd:", "fd:N"),
            ("fd:-3", "fd:N"),
            ("fd:0x5", "fd:N"),
            ("fd:3,", "fd:N"),
            ("fd:3,4,5", "fd:N"),
            ("fd:99999999999999999999", "fd:N"),
            ("tcp://localhost:80", "'tcp:' is no kind of pipe address"),
            ("http:/x", "'http:' is no kind"),
            ("C:/x", "'C:' is no kind"),
        ] {
            let error = typed.parse::<PipeAddress>().expect_err(typed).to_string();
            assert!(error.contains(expected), "{typed}: {error}");
        }
    }

    #[test]
    fn an_address_is_shown_as_it_can_be_typed() {
        for typed in ["jobs", "./x", "@x", "fifo:./x", "fd:3", "fd:3,4", r"\\HOST\pipe\x"] {
            assert_eq!(typed.parse::<PipeAddress>().unwrap().to_string(), typed);
        }
    }
}
