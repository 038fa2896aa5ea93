//! The options that several subcommands share, each with one meaning.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser};

use super::values::{self, OnPipe, Patience, Statistics};
use crate::bridge::{Finish, Rules};
use crate::framing::{Form, Framing};
use crate::os::{self, Mode};
use crate::pipe::{Direction, Manner, PeerRule, PipeAddress, PipeStream};
use crate::progress::When;
use crate::{stderr, stdio};

/// Which pipe, and how to meet the other side.
#[derive(Args, Debug)]
pub(crate) struct MeetingOptions {
    /// The pipe: NAME (where .NET looks for it), a PATH with a '/', @NAME, unix:PATH or \\.\pipe\NAME
    #[arg(value_name = "PIPE", value_parser = OsStringValueParser::new().try_map(|typed| values::pipe_address(&typed)))]
    pub(crate) pipe: PipeAddress,

    /// How long to wait for the other side; 0 tries once. Exit code 124 when it is over
    #[arg(short, long, value_name = "DURATION", allow_negative_numbers = true,
          default_value = "forever", value_parser = values::patience)]
    pub(crate) wait: Patience,

    /// Who may be at the other end: this user (and root), anybody, or the user NAME. Unless told, user for a
    /// NAME and @NAME, which all users share, and any for a PATH, whose permissions decide
    #[arg(long, value_name = "user|any|NAME", value_parser = values::peer_rule)]
    pub(crate) peer: Option<PeerRule>,

    /// Transmission mode: 'message' keeps messages apart in the pipe itself
    /// [default: byte for serve, whatever the server has for connect; on Windows bytes for both]
    #[arg(short, long, value_name = "byte|message", hide_possible_values = true,
          value_parser = PossibleValuesParser::new(["byte", "message"]).map(|text| values::mode(&text)))]
    pub(crate) mode: Option<Mode>,
}

/// What every command takes that bridges one named pipe.
#[derive(Args, Debug)]
pub(crate) struct PipeOptions {
    #[command(flatten)]
    pub(crate) meeting: MeetingOptions,

    /// Is stdin's end passed on? 'never' is for servers that drop a client which half-closes (ssh-agent, Node)
    #[arg(long, value_name = "auto|never", default_value = "auto", hide_possible_values = true,
          value_parser = PossibleValuesParser::new(["auto", "never"]).map(|when| values::finish(&when)))]
    pub(crate) finish: Finish,

    #[command(flatten)]
    pub(crate) bridge: BridgeOptions,
}

/// One connection: how long it may take, what is said of it.
#[derive(Args, Debug)]
pub(crate) struct ConnectionOptions {
    /// Give up (124) when no byte has moved either way for this long, counted from the connection on
    #[arg(short, long, value_name = "DURATION", allow_negative_numbers = true,
          default_value = "forever", value_parser = values::idle)]
    pub(crate) idle_timeout: Patience,

    /// Kernel buffers of the pipe, such as 64KiB or 1MB
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub(crate) buffer_size: Option<usize>,

    /// Print a line at the end: bytes, time, rate
    #[arg(long, value_name = "json", num_args = 0..=1, require_equals = true, default_missing_value = "text",
          hide_possible_values = true,
          value_parser = PossibleValuesParser::new(["text", "json"]).map(|text| values::statistics(&text)))]
    pub(crate) stats: Option<Statistics>,

    /// Say what happens, on stderr
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// Messages on a pipe.
#[derive(Args, Debug)]
pub(crate) struct FramingOptions {
    /// How messages are delimited on a byte pipe: none, u8, u16le, u16be, u24le, u24be, u32le, u32be, u64le, u64be,
    /// varint, lines, crlf, nul, netstring, content-length, length (u32le, as BitConverter), or TYPE@OFFSET+N
    #[arg(short, long, value_name = "F", value_parser = values::framing)]
    framing: Option<OnPipe>,

    /// Refuse larger messages
    #[arg(long, value_name = "SIZE", value_parser = values::size, default_value = "64MiB")]
    pub(crate) max_message: usize,
}

impl FramingOptions {
    /// What was said of it: `none`, or which.
    pub(crate) fn choice(&self) -> Option<OnPipe> {
        self.framing
    }

    /// The framing on the pipe, `none` being none.
    pub(crate) fn framing(&self) -> Option<Framing> {
        self.framing.and_then(|OnPipe(framing)| framing)
    }
}

/// Messages on a pipe, and how they look on stdin and stdout.
#[derive(Args, Debug)]
pub(crate) struct MessageOptions {
    #[command(flatten)]
    pub(crate) framing: FramingOptions,

    /// How those messages look on stdin and stdout: lines, whole, base64, hex, or any framing
    /// [default: lines; a SEQPACKET or datagram socket keeps messages apart itself]
    #[arg(long, value_name = "F", value_parser = values::form)]
    stdio: Option<Form>,

    /// Leave after N messages received; stdin's end is passed on only then
    #[arg(short = 'n', long, value_name = "N", value_parser = values::count::<u64>)]
    pub(crate) count: Option<u64>,

    /// Drop a byte order mark in front of the first message received (.NET's StreamWriter)
    #[arg(long)]
    pub(crate) strip_bom: bool,
}

impl MessageOptions {
    /// On stdin or stdout.
    pub(crate) fn stdio(&self) -> Form {
        self.stdio.unwrap_or(Form::Framed(Framing::Lines))
    }

    /// The same for a file that may keep messages apart itself, as a SEQPACKET socket does.
    pub(crate) fn stdio_on(&self, keeps_messages: bool) -> Form {
        if self.stdio.is_none() && keeps_messages { Form::Kept } else { self.stdio() }
    }

    /// Does anything make sense with messages alone?
    pub(crate) fn is_asked_for(&self) -> bool {
        self.stdio.is_some() || self.count.is_some() || self.strip_bom
    }
}

/// What every command takes that bridges pipes to stdin and stdout.
#[derive(Args, Debug)]
pub(crate) struct BridgeOptions {
    /// Which way bytes go, from this side: receive, send, or both
    /// [default: inout; for a FIFO the way of the one of stdin and stdout that is no terminal]
    #[arg(short, long, value_name = "in|out|inout", hide_possible_values = true,
          value_parser = PossibleValuesParser::new(["in", "out", "inout"]).map(|text| values::direction(&text)))]
    pub(crate) direction: Option<Direction>,

    #[command(flatten)]
    pub(crate) connection: ConnectionOptions,

    /// Leave this long after stdin has ended or the peer has finished, whatever else is under way
    /// [default: forever; on Windows, whose pipes cannot pass on stdin's end, after a second of silence then]
    #[arg(short, long, value_name = "DURATION", allow_negative_numbers = true, value_parser = values::patience)]
    pub(crate) quit_after: Option<Patience>,

    #[command(flatten)]
    pub(crate) messages: MessageOptions,

    /// A live bar on stderr: bytes, rate, time (auto: only on a terminal, and not for what is over at once)
    #[arg(short, long, value_name = "auto|always|never", num_args = 0..=1, require_equals = true,
          default_missing_value = "auto", default_value = "never", hide_default_value = true, hide_possible_values = true,
          value_parser = PossibleValuesParser::new(["auto", "always", "never"]).map(|text| values::when(&text)))]
    pub(crate) progress: When,

    /// Show what passes, both ways, on stderr as hexdump -C does
    #[arg(short = 'x', long)]
    pub(crate) hex: bool,

    /// Write that to FILE
    #[arg(long, value_name = "FILE", value_parser = OsStringValueParser::new().try_map(values::log))]
    pub(crate) log: Option<PathBuf>,
}

impl MeetingOptions {
    /// `direction` is what the user said of it; `messages` whether they are told apart in the bytes.
    pub(crate) fn manner(&self, direction: Option<Direction>, framed: bool, buffer_size: Option<usize>) -> Manner {
        Manner {
            direction,
            guess: stdio::way_of_redirection(),
            // Before a server is bothered that keeps messages apart itself.
            mode: self.mode.or(framed.then_some(Mode::Byte)),
            rule: self.peer,
            buffer_size,
        }
    }

    /// The pipe as it was typed, and where that is if it does not say so itself.
    pub(crate) fn whole_name(&self) -> String {
        match (&self.pipe, self.pipe.place()) {
            (PipeAddress::Name(_), Ok(place)) => format!("'{}' ({place})", self.pipe),
            _ => format!("'{}'", self.pipe),
        }
    }
}

impl PipeOptions {
    pub(crate) fn manner(&self) -> Manner {
        let framed = self.bridge.messages.framing.framing().is_some();
        let manner = self.meeting.manner(self.bridge.direction, framed, self.bridge.connection.buffer_size);
        Manner { mode: manner.mode.or_else(|| os::mode_for(self.bridge.messages.is_asked_for())), ..manner }
    }

    /// Does anything come to stdout?
    pub(crate) fn receives(&self) -> bool {
        self.bridge.direction().receives()
    }

    pub(crate) fn rules(&self, keep_open: bool) -> Rules {
        Rules { finish: self.finish, keep_open, ..self.bridge.rules() }
    }
}

impl ConnectionOptions {
    /// A line about what happens, for those who asked for it.
    pub(crate) fn notice(&self, line: impl FnOnce() -> String) {
        if self.verbose {
            stderr::say(&line());
        }
    }

    /// A line about a connection whose buffer is not as `--buffer-size` has it.
    pub(crate) fn notice_buffer(&self, pipe: &PipeStream) {
        if let Some(kept) = &pipe.kept_buffer {
            self.notice(|| kept.clone());
        }
    }
}

impl BridgeOptions {
    pub(crate) fn direction(&self) -> Direction {
        self.direction.unwrap_or_default()
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules {
            finish: Finish::Auto,
            idle_timeout: self.connection.idle_timeout.limit(),
            quit_after: self.quit_after.and_then(Patience::limit),
            patient: self.quit_after.is_some(),
            time_limit: None,
            keep_open: false,
            forgives_loss: false,
        }
    }

    /// Does anything that was asked for need the bytes to pass through this process?
    pub(crate) fn must_see_bytes(&self) -> bool {
        let timed = self.connection.idle_timeout.limit().or(self.rules().quit_after).is_some();
        let shown = self.hex || self.log.is_some() || self.progress != When::Never;
        let messages = self.messages.framing.framing().is_some() || self.messages.is_asked_for();
        timed || shown || messages || self.connection.stats.is_some()
    }

    pub(crate) fn log_name(&self) -> String {
        self.log.as_ref().map(|path| format!("'{}'", path.display())).unwrap_or_default()
    }

    pub(crate) fn notice(&self, line: impl FnOnce() -> String) {
        self.connection.notice(line);
    }
}
