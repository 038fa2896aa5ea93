//! The receiver's side of a transfer.

use std::time::Duration;

use super::destination::{Destination, Spot};
use super::wire::{Answer, End, Item, ItemKind, Record, Tally};
use super::{Arrived, Channel, Trouble, out_of_place};

/// The kernel copies so much at once: the bar moves, and a sender that has gone is noticed.
const COPY_STEP: usize = 16 << 20;

/// A sender that has said goodbye closes its pipe at once, and one that has opened it says hello at once.
const A_MOMENT: Duration = Duration::from_millis(100);

/// Somebody who sends what we receive.
#[derive(Debug)]
pub(crate) struct Receiver {
    channel: Channel,
    /// Can files be handed over themselves?
    hands_files: bool,
    /// Why the sender could not be told of the last item, which is safe.
    untold: Option<Trouble>,
}

/// Who is told what comes.
pub(crate) struct Onlooker<'a> {
    /// Of each item as it begins.
    pub(crate) begins: &'a dyn Fn(&Item),
    /// Of its bytes.
    pub(crate) count: &'a dyn Fn(usize),
}

impl Receiver {
    /// Over a channel on which both have said hello, and whether they can hand files over.
    pub(crate) fn new(channel: Channel, hands_files: bool) -> Self {
        Receiver { channel, hands_files, untold: None }
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
        if let Some(trouble) = self.untold.take() {
            return Err(trouble);
        }
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
        if !self.channel.speaks() {
            return received;
        }
        match (received, self.channel.say_record(Record::Answer, &answer.bytes())) {
            // The sender disconnected. The item is safe all the same, but no other one can follow.
            (Ok(arrived), Err(trouble @ (Trouble::Gone | Trouble::Reset))) => {
                self.untold = Some(trouble);
                Ok(arrived)
            }
            // The sender still waits for this answer: only the end of the connection tells it that none comes.
            (Ok(_), Err(trouble)) => Err(trouble),
            (received, _) => received,
        }
    }

    fn receive(
        &mut self,
        destination: &mut Destination,
        number: u64,
        onlooker: &Onlooker<'_>,
    ) -> Result<Option<Arrived>, Trouble> {
        let item = match self.channel.hear_head(destination.sink())? {
            None => return Err(Trouble::Gone),
            Some((Record::Bye, 0)) => return self.hear_silence().map(|()| None),
            Some((Record::Item, length)) => Item::parse(&self.channel.hear_words(length)?)?,
            Some((Record::Abort, length)) => return Err(self.aborted(length)?),
            Some(_) => return Err(out_of_place()),
        };
        (onlooker.begins)(&item);
        let mut spot = destination.place(&item, number)?;
        let bytes = match item.size.filter(|_| item.offered && self.hands_files) {
            Some(size) if self.take_over(&item, size, &mut spot, onlooker.count)? => self.hear_end(size)?,
            _ => self.fill(&mut spot, onlooker.count)?,
        };
        let path = spot.finish(&item)?;
        let name = (item.kind == ItemKind::File).then(|| String::from_utf8_lossy(&item.name).into_owned());
        Ok(Some(Arrived { name, bytes, path }))
    }

    /// Makes sure that nothing comes behind a goodbye. A second sender in a pipe of one way would: nobody tells it
    /// that it was not heard.
    fn hear_silence(&mut self) -> Result<(), Trouble> {
        if self.channel.speaks() {
            return Ok(());
        }
        self.channel.set_patience(Some(A_MOMENT));
        match self.channel.hear(None) {
            Ok(Some(_)) => {
                Err(Trouble::Nonsense("more after its goodbye, as a second sender in the same pipe would".into()))
            }
            // Its end, or somebody who has the pipe open and says nothing.
            _ => Ok(()),
        }
    }

    /// Takes the file itself, and has the kernel copy it: can that be had?
    fn take_over(
        &mut self,
        item: &Item,
        size: u64,
        spot: &mut Spot<'_>,
        count: &dyn Fn(usize),
    ) -> Result<bool, Trouble> {
        if !spot.takes_files() {
            self.channel.say_record(Record::Chunks, &[])?;
            return Ok(false);
        }
        self.channel.say_record(Record::Hand, &[])?;
        let file = self.channel.take_file(Record::Hand)?;
        if spot.becomes(&file, size)? {
            return self.copied(size, size, count).map(|()| true);
        }
        let mut done = 0;
        while done < size {
            // The kernel would write the holes.
            let most = usize::try_from(size - done).unwrap_or(COPY_STEP).min(COPY_STEP);
            let step = if item.sparse { None } else { spot.copy(&file, done, most)? };
            match step {
                None if done == 0 => {
                    self.channel.say_record(Record::Chunks, &[])?;
                    return Ok(false);
                }
                None | Some(0) => {
                    // It ends too early: the sender is asked to look, and finds that it has changed.
                    self.copied(size, 0, count)?;
                    self.hear_end(size)?;
                    return Err(Trouble::Nonsense("a file that ended too early".into()));
                }
                Some(step) => {
                    done += step as u64;
                    self.copied(done, step as u64, count)?;
                }
            }
        }
        Ok(true)
    }

    /// Tells the sender, and whoever looks on here, how far we have got.
    fn copied(&mut self, done: u64, step: u64, count: &dyn Fn(usize)) -> Result<(), Trouble> {
        count(usize::try_from(step).unwrap_or(usize::MAX));
        self.channel.say_record(Record::Copied, &done.to_le_bytes())
    }

    /// The sender has made sure that its file is still the one of which we have `size` bytes.
    fn hear_end(&mut self, size: u64) -> Result<u64, Trouble> {
        match self.channel.hear_head(None)? {
            None => Err(Trouble::Gone),
            Some((Record::End, length)) if End::parse(&self.channel.hear_words(length)?)?.count == size => Ok(size),
            Some((Record::Abort, length)) => Err(self.aborted(length)?),
            Some(_) => Err(out_of_place()),
        }
    }

    /// Writes all of an item to `spot`, and makes sure that it is all of it.
    fn fill(&mut self, spot: &mut Spot<'_>, count: &dyn Fn(usize)) -> Result<u64, Trouble> {
        let mut tally = Tally::default();
        loop {
            match self.channel.hear_head(spot.sink())? {
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
            let heard = self.channel.hear(spot.sink())?.ok_or(Trouble::Gone)?;
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
        let why = self.channel.hear_words(length)?;
        Ok(Trouble::There(String::from_utf8_lossy(&why).into_owned()))
    }
}
