//! The sender's side of a transfer.

use std::time::Duration;

use super::content::{Body, Content};
use super::wire::{Answer, End, MOST_DATA, Record, Tally};
use super::{Arrived, Channel, Trouble, out_of_place};

/// A peer that has gone may have said why: it need not be waited for any longer.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Somebody who receives what we send.
#[derive(Debug)]
pub(crate) struct Sender {
    channel: Channel,
    patience: Option<Duration>,
    /// Can files be handed over themselves?
    hands_files: bool,
    /// Has the receiver said that it wants no more?
    is_enough: bool,
}

/// What a receiver says of a file that it was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// It wants the file.
    File,
    /// It has copied so many bytes of it.
    Copied(u64),
    /// It wants its data.
    Chunks,
}

/// How many items and bytes there are still to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    pub(crate) items: u32,
    pub(crate) bytes: Option<u64>,
}

impl Sender {
    /// Over a channel on which both have said hello, and whether they can hand files over.
    pub(crate) fn new(channel: Channel, patience: Option<Duration>, hands_files: bool) -> Self {
        Sender { channel, patience, hands_files, is_enough: false }
    }

    /// Will the receiver say whether it has everything? Through a pipe that has one way only it cannot.
    pub(crate) fn is_answered(&self) -> bool {
        self.channel.hears()
    }

    /// Sends one item, and waits until the receiver has it safely. `count` is told of its bytes.
    pub(crate) fn send(&mut self, content: &Content, left: Left, count: &dyn Fn(usize)) -> Result<Arrived, Trouble> {
        if self.is_enough {
            return Err(Trouble::There("it wants no more".into()));
        }
        let bytes = self.tell(content, left, count).map_err(|trouble| self.explain(trouble))?;
        if self.channel.hears() {
            self.take_answer()?;
        }
        Ok(Arrived { name: Some(content.name()), bytes, path: None })
    }

    /// Says that there is no more.
    pub(crate) fn bye(mut self) -> Result<(), Trouble> {
        match self.channel.say_record(Record::Bye, &[]) {
            // It has all that it wanted.
            Err(Trouble::Gone | Trouble::Reset) if self.is_enough => Ok(()),
            said => said,
        }
    }

    fn tell(&mut self, content: &Content, left: Left, count: &dyn Fn(usize)) -> Result<u64, Trouble> {
        let mut body = content.open(self.patience)?;
        (body.item.items_left, body.item.bytes_left) = (left.items, left.bytes);
        body.item.offered = self.hands_files && body.file().is_some();
        self.channel.say_record(Record::Item, &body.item.bytes())?;
        if body.item.offered
            && let Some(end) = self.hand_over(&body, count)?
        {
            self.channel.say_record(Record::End, &end.bytes())?;
            return Ok(end.count);
        }
        let mut tally = Tally::default();
        while self.tell_piece(&mut body, &mut tally, count)? {}
        let end = tally.end();
        self.channel.say_record(Record::End, &end.bytes())?;
        Ok(end.count)
    }

    /// Tells the next bytes: were there any?
    fn tell_piece(&mut self, body: &mut Body<'_>, tally: &mut Tally, count: &dyn Fn(usize)) -> Result<bool, Trouble> {
        let bytes = body.next(self.channel.sink(), self.patience)?;
        let bytes = &bytes[..bytes.len().min(MOST_DATA)];
        if bytes.is_empty() {
            return Ok(false);
        }
        tally.add(bytes);
        self.channel.say(&Record::Data.head(bytes.len()))?;
        self.channel.say_counted(bytes, count)?;
        let told = bytes.len();
        body.sent(told);
        Ok(true)
    }

    /// Hands the file itself over, and waits until the receiver has copied it; nothing if it wants the data.
    fn hand_over(&mut self, body: &Body<'_>, count: &dyn Fn(usize)) -> Result<Option<End>, Trouble> {
        let Some((file, size)) = body.file() else { return Ok(None) };
        if self.hear_wish()? == Wish::Chunks {
            return Ok(None);
        }
        self.channel.give_file(Record::Hand, file)?;
        let mut done = 0;
        while done < size {
            match self.hear_wish()? {
                Wish::Copied(copied) if (done..=size).contains(&copied) => {
                    count(usize::try_from(copied - done).unwrap_or(usize::MAX));
                    done = copied;
                }
                Wish::Chunks if done == 0 => return Ok(None),
                _ => return Err(out_of_place()),
            }
        }
        body.check()?;
        // Nobody has seen the bytes.
        Ok(Some(End { count: size, crc: 0 }))
    }

    /// What the receiver says of a file that was offered.
    fn hear_wish(&mut self) -> Result<Wish, Trouble> {
        let Some((record, length)) = self.channel.hear_head(None)? else { return Err(Trouble::Gone) };
        let words = self.channel.hear_words(length)?;
        match (record, words.first_chunk()) {
            (Record::Hand, None) => Ok(Wish::File),
            (Record::Chunks, None) => Ok(Wish::Chunks),
            (Record::Copied, Some(copied)) => Ok(Wish::Copied(u64::from_le_bytes(*copied))),
            (Record::Answer, _) => match Answer::parse(&words)? {
                Answer::Failed(why) => Err(Trouble::There(why)),
                Answer::Saved | Answer::SavedAndEnough => Err(out_of_place()),
            },
            _ => Err(out_of_place()),
        }
    }

    fn take_answer(&mut self) -> Result<(), Trouble> {
        let Some((record, length)) = self.channel.hear_head(None)? else { return Err(Trouble::Gone) };
        if record != Record::Answer {
            return Err(out_of_place());
        }
        match Answer::parse(&self.channel.hear_words(length)?)? {
            Answer::Saved => {}
            Answer::SavedAndEnough => self.is_enough = true,
            Answer::Failed(why) => return Err(Trouble::There(why)),
        }
        Ok(())
    }

    /// The receiver is told what is wrong here; and if it has gone, it may have told us first.
    fn explain(&mut self, trouble: Trouble) -> Trouble {
        match &trouble {
            Trouble::Gone | Trouble::Reset if self.channel.hears() => {
                self.channel.set_patience(Some(LAST_WORDS));
                match self.take_answer() {
                    Err(why @ Trouble::There(_)) => why,
                    _ => trouble,
                }
            }
            trouble_here => {
                if let Some(why) = trouble_here.for_peer() {
                    let _ = self.channel.say_record(Record::Abort, why.as_bytes());
                }
                trouble
            }
        }
    }
}
