//! The sender's side of a transfer.

use std::time::Duration;

use super::content::{Body, Content};
use super::wire::{Answer, MOST_DATA, Record, Tally};
use super::{Arrived, Channel, Trouble};

/// A peer that has gone may have said why: it need not be waited for any longer.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Somebody who receives what we send.
#[derive(Debug)]
pub(crate) struct Sender {
    channel: Channel,
    patience: Option<Duration>,
    /// Has the receiver said that it wants no more?
    is_enough: bool,
}

/// How many items and bytes there are still to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    pub(crate) items: u32,
    pub(crate) bytes: Option<u64>,
}

impl Sender {
    /// Over a channel on which both have said hello.
    pub(crate) fn new(channel: Channel, patience: Option<Duration>) -> Self {
        Sender { channel, patience, is_enough: false }
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
        let mut body = content.open()?;
        (body.item.items_left, body.item.bytes_left) = (left.items, left.bytes);
        self.channel.say_record(Record::Item, &body.item.bytes())?;
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

    fn take_answer(&mut self) -> Result<(), Trouble> {
        let Some((record, length)) = self.channel.hear_head(None)? else { return Err(Trouble::Gone) };
        if record != Record::Answer {
            return Err(Trouble::Nonsense("something else in an answer's place".into()));
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
