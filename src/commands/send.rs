//! `pipetool send`: files, texts and streams, to whoever receives.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use super::meeting::{Encounter, Meeting};
use super::transfers::{HELP_OF_MODE, Outcome, Report, TransferOptions, in_words};
use super::values::{self, Patience};
use crate::exit::Exit;
use crate::transfer::wire::Role;
use crate::transfer::{Arrived, Content, Left, PlainSender, Sender, Trouble};
use crate::{interrupt, stderr, stdio};

/// Send files, texts or stdin to 'pipetool recv', or to any program; whoever comes first makes the pipe
#[derive(Args, Debug)]
#[command(
    args_override_self = true,
    mut_arg("mode", |mode| mode.help(HELP_OF_MODE)),
    after_help = "It is done when the receiver has said that it has everything safely (through a FIFO or a one-way\n\
    handle it cannot, and nothing more is known than that the kernel took it). With --framing or\n\
    --mode message each item is one message, with --framing none all are raw bytes, for programs that\n\
    do not speak pipetool's protocol.\n\nExamples:\n  \
    pipetool send photos *.jpg                   to 'pipetool recv photos -D .'\n  \
    tar c dir | pipetool send backup             a stream\n  \
    pipetool send jobs -f length -t hello        one message for a program with a length in front of each"
)]
pub(crate) struct Send {
    #[command(flatten)]
    options: TransferOptions,

    /// A text to send; can be given again and again, and goes before all files
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    text: Vec<String>,

    /// With --framing or --mode message: leave this long after the last item, though the peer has not ended
    #[arg(short, long, value_name = "DURATION", allow_negative_numbers = true,
          default_value = "forever", value_parser = values::patience)]
    quit_after: Patience,

    /// What to send; stdin if there is neither file nor text, or for a '-'
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Send {
    pub(crate) fn run(&self) -> Result<Exit> {
        let options = &self.options;
        let mut meeting = Meeting::new(options, Role::Sender, false)?;
        let contents = self.contents();
        let sizes = contents.iter().map(Content::look).collect::<Result<Vec<_>, _>>();
        let sizes = sizes.map_err(|trouble| self.in_words(trouble, ""))?;
        interrupt::watch().context("could not watch for signals")?;
        if self.files.is_empty() && self.text.is_empty() && stdio::is_typed() {
            stderr::say("no FILE: what is typed here is sent (Ctrl-D ends it, on Windows Ctrl-Z)");
        }
        let Some(Encounter { channel, peer, hands_files }) = meeting.next(None)? else {
            return Ok(Exit::StdoutClosed);
        };
        let mut report = Report::new(options, Role::Sender, peer);
        let (patience, largest) = (options.connection.idle_timeout.limit(), options.framing.max_message);
        let mut to_peer = match options.apart() {
            None => ToPeer::Receiver(Sender::new(channel, patience, hands_files)),
            Some(apart) => ToPeer::Program(PlainSender::new(channel, apart, largest, patience)),
        };
        let is_answered = to_peer.is_answered();
        let sent = self.send_all(&contents, &sizes, &mut to_peer, &mut report).and_then(|()| self.finish(to_peer));
        report.end(match sent {
            Err(_) => Outcome::Failed,
            Ok(()) if is_answered => Outcome::Confirmed,
            Ok(()) => Outcome::Done,
        });
        if sent.is_ok() && !is_answered {
            options.connection.notice(|| "sent; whether it has arrived is not known".to_owned());
        }
        sent.map(|()| Exit::Done)
    }

    fn contents(&self) -> Vec<Content> {
        let file = |path: &PathBuf| match path.to_str() {
            Some("-") => Content::Stdin,
            _ => Content::File(path.clone()),
        };
        let typed = self.text.iter().cloned().map(Content::Text);
        let contents: Vec<Content> = typed.chain(self.files.iter().map(file)).collect();
        if contents.is_empty() { vec![Content::Stdin] } else { contents }
    }

    fn send_all(
        &self,
        contents: &[Content],
        sizes: &[Option<u64>],
        to_peer: &mut ToPeer,
        report: &mut Report<'_>,
    ) -> Result<()> {
        let mut bytes = sizes.iter().try_fold(0_u64, |sum, size| sum.checked_add((*size)?));
        for (place, (content, size)) in contents.iter().zip(sizes).enumerate() {
            let left = Left { items: u32::try_from(contents.len() - place).unwrap_or(0), bytes };
            bytes = bytes.and_then(|bytes| bytes.checked_sub((*size)?));
            report.begins(&content.name(), left.items, left.bytes);
            let sent = to_peer.send(content, left, &|bytes| report.count(bytes));
            report.arrived(sent.map_err(|trouble| self.in_words(trouble, &content.name()))?);
        }
        Ok(())
    }

    fn finish(&self, to_peer: ToPeer) -> Result<()> {
        let finished = match to_peer {
            ToPeer::Receiver(sender) => sender.bye(),
            ToPeer::Program(sender) => sender.finish(self.quit_after.limit()),
        };
        finished.map_err(|trouble| self.in_words(trouble, ""))
    }

    fn in_words(&self, trouble: Trouble, item: &str) -> anyhow::Error {
        in_words(trouble, &self.options.meeting.pipe, item, Role::Sender)
    }
}

/// Who receives.
enum ToPeer {
    /// One that answers.
    Receiver(Sender),
    /// A program that is not ours.
    Program(PlainSender),
}

impl ToPeer {
    fn is_answered(&self) -> bool {
        match self {
            ToPeer::Receiver(sender) => sender.is_answered(),
            ToPeer::Program(_) => false,
        }
    }

    fn send(&mut self, content: &Content, left: Left, count: &dyn Fn(usize)) -> Result<Arrived, Trouble> {
        match self {
            ToPeer::Receiver(sender) => sender.send(content, left, count),
            ToPeer::Program(sender) => sender.send(content, count),
        }
    }
}
