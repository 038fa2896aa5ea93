//! What is sent: files, texts, stdin. A file is sent as it was when its turn came, or not at all.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use super::Trouble;
use super::wire::{Item, ItemKind};
use crate::os::{self, Sink, Source, Stopped};
use crate::pipe::Direction;

/// A text is given away in such pieces.
const PIECE: usize = 256 * 1024;

/// Something to be sent.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// A file, under its own name.
    File(PathBuf),
    /// A text that was typed.
    Text(String),
    /// What comes from stdin until its end.
    Stdin,
}

/// Its bytes, and what there is to say of it.
#[derive(Debug)]
pub(super) struct Body<'a> {
    pub(super) item: Item,
    bytes: Bytes<'a>,
    /// What it is called in a sentence.
    name: String,
}

#[derive(Debug)]
enum Bytes<'a> {
    Memory(&'a [u8]),
    Stream(Source),
    /// As many bytes as it had, which must not change meanwhile.
    File {
        source: Source,
        left: u64,
        file: File,
        before: Metadata,
    },
}

impl Content {
    /// What it is called in a sentence.
    pub(crate) fn name(&self) -> String {
        match self {
            Content::File(path) => path.display().to_string(),
            Content::Text(_) => "--text".into(),
            Content::Stdin => "stdin".into(),
        }
    }

    /// Looks before anybody is asked to receive it: how many bytes there will be, if that is known.
    ///
    /// # Errors
    /// A file that is not there or cannot be read, and a directory.
    pub(crate) fn look(&self) -> Result<Option<u64>, Trouble> {
        match self {
            Content::Text(text) => Ok(Some(text.len() as u64)),
            Content::Stdin => Ok(Source::stdin().length()),
            Content::File(path) => {
                let failed = |error| Trouble::with("could not send", &self.name(), error);
                let found = fs::metadata(path).map_err(failed)?;
                if found.is_dir() {
                    let how = format!("it is a directory: 'tar c {} | pipetool send PIPE' sends it", path.display());
                    return Err(failed(io::Error::other(how)));
                }
                if !found.is_file() {
                    return Ok(None);
                }
                // To open a FIFO or a device would not go unnoticed.
                File::open(path).map_err(failed)?;
                Ok(Some(found.len()))
            }
        }
    }

    /// Opens it, now that somebody wants it.
    pub(super) fn open(&self, patience: Option<Duration>) -> Result<Body<'_>, Trouble> {
        let item = |kind, size| Item { size, ..Item::unknown(kind) };
        let (item, bytes) = match self {
            Content::Text(text) => (item(ItemKind::Text, Some(text.len() as u64)), Bytes::Memory(text.as_bytes())),
            Content::Stdin => (item(ItemKind::Stream, None), Bytes::Stream(Source::stdin())),
            Content::File(path) if os::is_pipe(path) => {
                let name = path.file_name().map(os::name_bytes).unwrap_or_default();
                let source = super::ends_of_pipe(path, Direction::In, patience)?.source.ok_or(Trouble::Gone)?;
                (Item { name, ..item(ItemKind::File, None) }, Bytes::Stream(source))
            }
            Content::File(path) => {
                let failed = |error| Trouble::with("could not send", &self.name(), error);
                let file = File::open(path).map_err(failed)?;
                let before = file.metadata().map_err(failed)?;
                let item = Item {
                    name: path.file_name().map(os::name_bytes).unwrap_or_default(),
                    mode: os::mode_of(&before),
                    modified: modified(&before),
                    sparse: os::is_sparse(&before),
                    ..item(ItemKind::File, None)
                };
                // The files of /proc say that they are empty.
                if !before.is_file() || before.len() == 0 {
                    (item, Bytes::Stream(Source::file(file)))
                } else {
                    let source = Source::file(file.try_clone().map_err(failed)?);
                    let (size, left) = (Some(before.len()), before.len());
                    (Item { size, ..item }, Bytes::File { source, left, file, before })
                }
            }
        };
        Ok(Body { item, bytes, name: self.name() })
    }
}

/// A smaller file is sent before it is agreed how.
const WORTH_HANDING: u64 = 1 << 20;

impl Body<'_> {
    /// The file itself, if there is one that is worth to be handed over.
    pub(super) fn file(&self) -> Option<(&File, u64)> {
        match &self.bytes {
            Bytes::File { file, before, .. } if before.len() >= WORTH_HANDING => Some((file, before.len())),
            _ => None,
        }
    }

    /// Makes sure that a file that was handed over is still what it was.
    pub(super) fn check(&self) -> Result<(), Trouble> {
        match &self.bytes {
            Bytes::File { file, before, .. } => unchanged(file, before).map_err(|error| failed(&self.name, error)),
            Bytes::Memory(_) | Bytes::Stream(_) => Ok(()),
        }
    }

    /// The next bytes, none at the end. That nobody reads from `watched` any more ends the wait for them.
    pub(super) fn next(&mut self, watched: Option<&Sink>, patience: Option<Duration>) -> Result<&[u8], Trouble> {
        let source = match &mut self.bytes {
            Bytes::Memory(bytes) => return Ok(&bytes[..bytes.len().min(PIECE)]),
            Bytes::File { left: 0, file, before, .. } => {
                return unchanged(file, before).map(|()| &[][..]).map_err(|error| failed(&self.name, error));
            }
            Bytes::Stream(source) | Bytes::File { source, .. } => source,
        };
        match take_bytes(source, watched, patience) {
            Ok(()) => {}
            Err(Stopped::Ended) => return self.end(),
            Err(Stopped::Closed) => return Err(Trouble::Gone),
            Err(Stopped::TimedOut) => return Err(Trouble::Silent),
            Err(Stopped::Failed(error)) => return Err(failed(&self.name, error)),
        }
        Ok(match &self.bytes {
            Bytes::File { source, left, .. } => {
                let taken = source.undelivered();
                // What has been added since its turn came is no part of it.
                &taken[..taken.len().min(usize::try_from(*left).unwrap_or(usize::MAX))]
            }
            Bytes::Stream(source) => source.undelivered(),
            Bytes::Memory(_) => &[],
        })
    }

    /// So many of them are with the receiver.
    pub(super) fn sent(&mut self, count: usize) {
        match &mut self.bytes {
            Bytes::Memory(bytes) => *bytes = &bytes[count..],
            Bytes::Stream(source) => source.delivered(count),
            Bytes::File { source, left, .. } => {
                source.delivered(count);
                *left -= count as u64;
            }
        }
    }

    fn end(&self) -> Result<&[u8], Trouble> {
        match &self.bytes {
            Bytes::File { .. } => Err(failed(&self.name, unsteady("it became shorter"))),
            Bytes::Memory(_) | Bytes::Stream(_) => Ok(&[]),
        }
    }
}

/// An empty message on a stdin that keeps messages apart is no byte, and not the end either.
fn take_bytes(source: &mut Source, watched: Option<&Sink>, patience: Option<Duration>) -> Result<(), Stopped> {
    while source.undelivered().is_empty() {
        os::take_some(source, watched, patience)?;
    }
    Ok(())
}

fn failed(name: &str, error: io::Error) -> Trouble {
    Trouble::with("could not send", name, error)
}

fn unchanged(file: &File, before: &Metadata) -> io::Result<()> {
    let now = file.metadata()?;
    if now.len() == before.len() && now.modified().ok() == before.modified().ok() {
        return Ok(());
    }
    Err(unsteady("it changed"))
}

/// The files of /sys, too, have fewer bytes than they say.
fn unsteady(what: &str) -> io::Error {
    io::Error::other(format!("{what} while it was being sent ('cat FILE | pipetool send PIPE' takes it as it comes)"))
}

fn modified(file: &Metadata) -> Option<(i64, u32)> {
    let time = file.modified().ok()?;
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => Some((i64::try_from(after.as_secs()).ok()?, after.subsec_nanos())),
        // Nanoseconds count forwards.
        Err(before) => {
            let before = before.duration();
            let (seconds, rest) = (i64::try_from(before.as_secs()).ok()?, before.subsec_nanos());
            Some(if rest == 0 { (-seconds, 0) } else { (-seconds - 1, 1_000_000_000 - rest) })
        }
    }
}
