//! `pipetool recv`: what a sender has, to stdout, into a file or into a directory.

use std::io;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow};
use clap::Args;

use super::meeting::{Encounter, Meeting};
use super::transfers::{HELP_OF_MODE, Outcome, Report, TransferOptions, in_words};
use super::values;
use crate::exit::{self, Exit};
use crate::interrupt;
use crate::os::{self, Sink};
use crate::transfer::wire::{Item, Role};
use crate::transfer::{Arrived, Destination, Onlooker, PlainReceiver, Receiver, Trouble};

/// Receive what 'pipetool send', or any program, sends; whoever comes first makes the pipe
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "flags of the command line")]
#[command(
    args_override_self = true,
    mut_arg("mode", |mode| mode.help(HELP_OF_MODE)),
    after_help = "A file appears under its name when all of it is there and safely written, or not at all; one that is\n\
    there already stays as it is. A text or stdin has no name: in DIR it is item-1, item-2, ...\n\
    With --framing or --mode message each message is an item, with --framing none all is one item.\n\nExamples:\n  \
    pipetool recv photos -D .                    from 'pipetool send photos *.jpg'\n  \
    pipetool recv backup | tar x                 a stream\n  \
    pipetool recv -k in -D inbox --print-names   from one sender after another"
)]
pub(crate) struct Recv {
    #[command(flatten)]
    options: TransferOptions,

    /// Write the one item that comes to FILE [default: all to stdout]
    #[arg(short, long, value_name = "FILE", conflicts_with = "directory")]
    output: Option<PathBuf>,

    /// Write each item into DIR, under its own name
    #[arg(short = 'D', long, value_name = "DIR")]
    directory: Option<PathBuf>,

    /// Leave after N items
    #[arg(short = 'n', long, value_name = "N", value_parser = values::count::<NonZeroU64>)]
    count: Option<NonZeroU64>,

    /// Go on to the next sender
    #[arg(short, long)]
    keep_open: bool,

    /// Replace files that are there already
    #[arg(long)]
    force: bool,

    /// Give files the permissions and the time of change that they have at the sender's
    #[arg(long)]
    preserve: bool,

    /// Print the path of each file that has come
    #[arg(long)]
    print_names: bool,
}

/// How one sender was.
enum Heard {
    /// It has no more.
    All,
    /// We want no more.
    Enough,
    /// Nobody reads our stdout.
    NobodyReads,
}

impl Recv {
    pub(crate) fn run(&self) -> Result<Exit> {
        let options = &self.options;
        let mut meeting = Meeting::new(options, Role::Receiver, self.keep_open)?;
        let mut destination = self.destination();
        destination.check().and_then(|()| self.check_names()).map_err(|trouble| self.in_words(trouble))?;
        interrupt::watch().context("could not watch for signals")?;
        let mut items = 0;
        while let Some(met) = meeting.next(destination.sink())? {
            match self.receive_all(met, &mut destination, &mut items) {
                Ok(Heard::NobodyReads) => break,
                Ok(Heard::Enough) => return Ok(Exit::Done),
                Ok(Heard::All) if self.keep_open => {}
                Ok(Heard::All) => return self.was_enough(items),
                // One sender's trouble is not the next one's; that of our own stdout is.
                Err(trouble) if self.keep_open && !is_of_stdout(&trouble, &destination) => {
                    exit::say(&self.in_words(trouble));
                }
                Err(trouble) => return Err(self.in_words(trouble)),
            }
        }
        Ok(Exit::StdoutClosed)
    }

    fn destination(&self) -> Destination {
        let is_file = |path: &&PathBuf| *path != Path::new("-");
        let mut destination = match (&self.directory, self.output.as_ref().filter(is_file)) {
            (Some(directory), _) => Destination::directory(directory),
            (None, Some(path)) => Destination::file(path),
            (None, None) => Destination::stdout(),
        };
        let patience = self.options.connection.idle_timeout.limit();
        (destination.replaces, destination.preserves, destination.patience) = (self.force, self.preserve, patience);
        destination
    }

    /// Receives all that one sender has, or as much as is wanted.
    fn receive_all(&self, met: Encounter, destination: &mut Destination, items: &mut u64) -> Result<Heard, Trouble> {
        let mut report = Report::new(&self.options, Role::Receiver, met.peer);
        let largest = self.options.framing.max_message;
        let mut from_peer = match self.options.apart() {
            None => FromPeer::Sender(Receiver::new(met.channel, met.hands_files)),
            Some(apart) => FromPeer::Program(PlainReceiver::new(met.channel, apart, largest)),
        };
        let heard = loop {
            if self.count.is_some_and(|count| *items >= count.get()) {
                from_peer.wants_no_more();
                break Ok(Heard::Enough);
            }
            match self.receive(&mut from_peer, destination, *items + 1, &mut report) {
                Ok(true) => *items += 1,
                Ok(false) => break Ok(Heard::All),
                Err(Trouble::StdoutClosed) => break Ok(Heard::NobodyReads),
                Err(trouble) => break Err(trouble),
            }
        };
        let is_done = matches!(heard, Ok(Heard::All | Heard::Enough));
        report.end(if is_done { Outcome::Confirmed } else { Outcome::Failed });
        heard
    }

    /// Receives the so many-th item: was there one?
    fn receive(
        &self,
        from_peer: &mut FromPeer,
        destination: &mut Destination,
        number: u64,
        report: &mut Report<'_>,
    ) -> Result<bool, Trouble> {
        let begins = |item: &Item| {
            report.begins(&String::from_utf8_lossy(&item.name), item.items_left, item.bytes_left.or(item.size));
        };
        let onlooker = Onlooker { begins: &begins, count: &|bytes| report.count(bytes) };
        let is_enough = self.count.is_some_and(|count| number >= count.get());
        let Some(arrived) = from_peer.next(destination, number, is_enough, &onlooker)? else { return Ok(false) };
        self.print_name(&arrived)?;
        report.arrived(arrived);
        Ok(true)
    }

    fn print_name(&self, arrived: &Arrived) -> Result<(), Trouble> {
        let Some(path) = arrived.path.as_ref().filter(|_| self.print_names) else { return Ok(()) };
        let line = [path.as_os_str().as_encoded_bytes(), b"\n"].concat();
        let patience = self.options.connection.idle_timeout.limit();
        os::give_all(&mut Sink::stdout(), &line, patience, &|_| {}).map_err(Trouble::at_stdout)
    }

    fn check_names(&self) -> Result<(), Trouble> {
        if self.print_names && os::stdout_was_closed() {
            return Err(Trouble::with("could not write to", "stdout", io::Error::other("it is closed")));
        }
        Ok(())
    }

    /// A sender that had less than was wanted.
    fn was_enough(&self, items: u64) -> Result<Exit> {
        let wanted = self.count.or_else(|| self.output.as_ref().map(|_| NonZeroU64::MIN));
        match wanted.filter(|wanted| items < wanted.get()) {
            Some(count) => {
                let (pipe, many) = (&self.options.meeting.pipe, if count.get() == 1 { "" } else { "s" });
                Err(anyhow!("could not receive {count} item{many} from '{pipe}': the sender ended after {items}"))
            }
            None => Ok(Exit::Done),
        }
    }

    fn in_words(&self, trouble: Trouble) -> Error {
        in_words(trouble, &self.options.meeting.pipe, "", Role::Receiver)
    }
}

/// Is something wrong with our own stdout?
fn is_of_stdout(trouble: &Trouble, destination: &Destination) -> bool {
    matches!(trouble, Trouble::Here(..)) && destination.sink().is_some()
}

/// Who sends.
enum FromPeer {
    /// One that wants an answer.
    Sender(Receiver),
    /// A program that is not ours.
    Program(PlainReceiver),
}

impl FromPeer {
    /// A program that is not ours learns it by what it has sent in vain.
    fn wants_no_more(&self) {
        match self {
            FromPeer::Sender(_) => {}
            FromPeer::Program(receiver) => receiver.wants_no_more(),
        }
    }

    fn next(
        &mut self,
        destination: &mut Destination,
        number: u64,
        is_enough: bool,
        onlooker: &Onlooker<'_>,
    ) -> Result<Option<Arrived>, Trouble> {
        match self {
            FromPeer::Sender(receiver) => receiver.next(destination, number, is_enough, onlooker),
            FromPeer::Program(receiver) => receiver.next(destination, number, onlooker),
        }
    }
}
