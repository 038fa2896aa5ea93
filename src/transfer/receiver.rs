//! The receiver's side of a transfer.

use super::destination::{Destination, Spot};
use super::wire::{Answer, End, Item, ItemKind, MOST_WORDS, Record, Tally};
use super::{Arrived, Channel, Trouble};

/// Somebody who sends what we receive.
#[derive(Debug)]
pub(crate) struct Receiver {
    channel: Channel,
}

/// Who is told what comes.
pub(crate) struct Onlooker<'a> {
    /// Of each item as it begins.
    pub(crate) begins: &'a dyn Fn(&Item),
    /// Of its bytes.
    pub(crate) count: &'a dyn Fn(usize),
}

impl Receiver {
    /// Over a channel on which both have said hello.
    pub(crate) fn new(channel: Channel) -> Self {
        Receiver { channel }
    }

    /// Receives the next item, the so many-th, to `destination`; nothing where there are no more. The sender is told
    /// when it is safely there, and that it was the last one if it `is_enough`; or what is wrong.
    pub(crate) fn next(
        &mut self,
        destination: &mut Destination,
        number: u64,
        is_enough: bool,
        onlooker: &Onlooker<'_>,
    ) -> Result<Option<Arrived>, Trouble> {
        let received = self.receive(destination, number, onlooker);
        let answer = match &received {
            Ok(None) => return Ok(None),
            Ok(Some(_)) if is_enough => Answer::SavedAndEnough,
            Ok(Some(_)) => Answer::Saved,
            Err(trouble) => match trouble.for_peer() {
                Some(why) => Answer::Failed(why),
                None => return received,
            },
        };
        if self.channel.speaks() {
            let said = self.channel.say_record(Record::Answer, &answer.bytes());
            // The sender may have gone. What it sent is there all the same.
            let _ = said;
        }
        received
    }

    fn receive(
        &mut self,
        destination: &mut Destination,
        number: u64,
        onlooker: &Onlooker<'_>,
    ) -> Result<Option<Arrived>, Trouble> {
        let item = match self.channel.hear_head(destination.sink())? {
            None => return Err(Trouble::Gone),
            Some((Record::Bye, 0)) => return Ok(None),
            Some((Record::Item, length)) => Item::parse(&self.channel.hear_words(length)?)?,
            Some((Record::Abort, length)) => return Err(self.aborted(length)?),
            Some(_) => return Err(out_of_place()),
        };
        (onlooker.begins)(&item);
        let mut spot = destination.place(&item, number)?;
        let bytes = self.fill(&mut spot, onlooker.count)?;
        let path = spot.finish(&item)?;
        let name = (item.kind == ItemKind::File).then(|| String::from_utf8_lossy(&item.name).into_owned());
        Ok(Some(Arrived { name, bytes, path }))
    }

    /// Writes all of an item to `spot`, and makes sure that it is all of it.
    fn fill(&mut self, spot: &mut Spot<'_>, count: &dyn Fn(usize)) -> Result<u64, Trouble> {
        let mut tally = Tally::default();
        loop {
            match self.channel.hear_head(None)? {
                None => return Err(Trouble::Gone),
                Some((Record::Data, length)) => self.pass_on(length, spot, &mut tally, count)?,
                Some((Record::End, length)) => {
                    let end = End::parse(&self.channel.hear_words(length)?)?;
                    let got = tally.end();
                    return if got == end {
                        Ok(got.count)
                    } else {
                        Err(Trouble::Nonsense("an item whose bytes were damaged on their way".into()))
                    };
                }
                Some((Record::Abort, length)) => return Err(self.aborted(length)?),
                Some(_) => return Err(out_of_place()),
            }
        }
    }

    /// Passes on the bytes of one record.
    fn pass_on(
        &mut self,
        mut length: usize,
        spot: &mut Spot<'_>,
        tally: &mut Tally,
        count: &dyn Fn(usize),
    ) -> Result<(), Trouble> {
        while length > 0 {
            let heard = self.channel.hear(None)?.ok_or(Trouble::Gone)?;
            let piece = &heard[..heard.len().min(length)];
            tally.add(piece);
            spot.write(piece)?;
            let passed = piece.len();
            count(passed);
            self.channel.heard(passed);
            length -= passed;
        }
        Ok(())
    }

    fn aborted(&mut self, length: usize) -> Result<Trouble, Trouble> {
        let why = self.channel.hear_words(length.min(MOST_WORDS))?;
        Ok(Trouble::There(String::from_utf8_lossy(&why).into_owned()))
    }
}

fn out_of_place() -> Trouble {
    Trouble::Nonsense("a record that has no place there".into())
}
