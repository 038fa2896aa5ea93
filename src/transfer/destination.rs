//! Where received items go: stdout, one file, or a directory. What a peer says of a name is not believed.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Trouble;
use super::landing::{self, Landing};
use super::wire::{Item, ItemKind};
use crate::os::{self, Sink, Stopped, directory_of};
use crate::pipe::Direction;

/// Where received items go.
#[derive(Debug)]
pub(crate) struct Destination {
    kind: Kind,
    /// Does a new file take the place of one that has its name?
    pub(crate) replaces: bool,
    /// Does it keep the permissions and the time that the sender's had?
    pub(crate) preserves: bool,
    /// How long stdout may take nothing.
    pub(crate) patience: Option<Duration>,
}

#[derive(Debug)]
enum Kind {
    /// With the byte that was written last, the start of a line at first.
    Stdout {
        sink: Sink,
        is_terminal: bool,
        last: u8,
    },
    File {
        path: PathBuf,
        is_taken: bool,
    },
    Directory(PathBuf),
}

/// One item's place.
#[derive(Debug)]
pub(super) enum Spot<'a> {
    /// Behind what was there before.
    Stdout { sink: &'a mut Sink, is_terminal: bool, last: &'a mut u8, patience: Option<Duration> },
    /// A file that will be there whole, or not at all.
    Whole { landing: Landing, name: String, preserves: bool },
    /// A device or a FIFO, which takes what comes.
    Straight { sink: Sink, path: PathBuf, patience: Option<Duration> },
}

impl Destination {
    /// All goes to stdout, one item after another.
    pub(crate) fn stdout() -> Self {
        Destination::new(Kind::Stdout { sink: Sink::stdout(), is_terminal: io::stdout().is_terminal(), last: b'\n' })
    }

    /// One item is to be the file `path`.
    pub(crate) fn file(path: &Path) -> Self {
        Destination::new(Kind::File { path: path.to_owned(), is_taken: false })
    }

    /// Items become files in the directory `path`, under their own names.
    pub(crate) fn directory(path: &Path) -> Self {
        Destination::new(Kind::Directory(path.to_owned()))
    }

    fn new(kind: Kind) -> Self {
        Destination { kind, replaces: false, preserves: false, patience: None }
    }

    /// Finds out before anybody sends anything whether it can be kept.
    ///
    /// # Errors
    /// A missing directory, a directory in a file's place, a file that is there and not to be replaced.
    pub(crate) fn check(&self) -> Result<(), Trouble> {
        let failed = |path: &Path, why| Err(Trouble::with("could not write to", &path.display().to_string(), why));
        match &self.kind {
            Kind::Stdout { .. } if os::stdout_was_closed() => {
                Err(Trouble::with("could not write to", "stdout", io::Error::other("it is closed")))
            }
            Kind::Stdout { .. } => Ok(()),
            Kind::Directory(path) => match fs::metadata(path) {
                Ok(found) if found.is_dir() => Ok(()),
                Ok(_) => failed(path, io::Error::other("it is no directory: '-o' names a file")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => failed(path, no_directory(path)),
                Err(error) => failed(path, error),
            },
            Kind::File { path, .. } => match fs::metadata(path) {
                Ok(found) if found.is_dir() => failed(path, io::Error::other("it is a directory: use '-D'")),
                Ok(found) if found.is_file() && !self.replaces => failed(path, landing::already_there()),
                Err(error) if error.kind() != io::ErrorKind::NotFound => failed(path, error),
                _ if !directory_of(path).is_dir() => failed(path, no_directory(directory_of(path))),
                _ => Ok(()),
            },
        }
    }

    /// The stdout that it is.
    pub(crate) fn sink(&self) -> Option<&Sink> {
        match &self.kind {
            Kind::Stdout { sink, .. } => Some(sink),
            Kind::File { .. } | Kind::Directory(_) => None,
        }
    }

    /// Makes room for `item`, the so many-th.
    pub(super) fn place(&mut self, item: &Item, number: u64) -> Result<Spot<'_>, Trouble> {
        let (path, name) = match &mut self.kind {
            Kind::Stdout { sink, is_terminal, last } => {
                return Ok(Spot::Stdout { sink, is_terminal: *is_terminal, last, patience: self.patience });
            }
            Kind::File { path, is_taken: true } => {
                let more = io::Error::other("it is one file, and more than one comes: '-D' takes them");
                return Err(Trouble::with("could not write to", &path.display().to_string(), more));
            }
            Kind::File { path, is_taken } => {
                *is_taken = true;
                if let Some(sink) = special_file(path, self.patience)? {
                    return Ok(Spot::Straight { sink, path: path.clone(), patience: self.patience });
                }
                (path.clone(), path.display().to_string())
            }
            Kind::Directory(directory) => {
                let name = name_for(item, number)?;
                let path = directory.join(&name);
                let name = path.display().to_string();
                (path, name)
            }
        };
        let landing = Landing::begin(&path, self.replaces, item.sparse)
            .map_err(|error| Trouble::with("could not write to", &name, error))?;
        Ok(Spot::Whole { landing, name, preserves: self.preserves })
    }
}

impl Spot<'_> {
    /// The stdout that it is.
    pub(super) fn sink(&self) -> Option<&Sink> {
        match self {
            Spot::Stdout { sink, .. } => Some(sink),
            Spot::Whole { .. } | Spot::Straight { .. } => None,
        }
    }

    /// Can another file be copied to it?
    pub(super) fn takes_files(&self) -> bool {
        matches!(self, Spot::Whole { .. })
    }

    /// Becomes `file`, all `size` bytes of it, without a byte being copied: can that be had?
    pub(super) fn becomes(&mut self, file: &File, size: u64) -> Result<bool, Trouble> {
        let Spot::Whole { landing, name, .. } = self else { return Ok(false) };
        landing.becomes(file, size).map_err(|error| Trouble::with("could not write to", name, error))
    }

    /// Copies up to `most` bytes of `file` from `offset` on: nothing where the kernel cannot.
    pub(super) fn copy(&mut self, file: &File, offset: u64, most: usize) -> Result<Option<usize>, Trouble> {
        let Spot::Whole { landing, name, .. } = self else { return Ok(None) };
        landing.copy(file, offset, most).map_err(|error| Trouble::with("could not write to", name, error))
    }

    /// Writes the next bytes of the item.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        match self {
            Spot::Whole { landing, name, .. } => {
                landing.write(bytes).map_err(|error| Trouble::with("could not write to", name, error))
            }
            Spot::Straight { sink, path, patience } => {
                give(sink, bytes, *patience, |stopped| not_written(stopped, path))
            }
            Spot::Stdout { sink, is_terminal, last, patience } => {
                if *is_terminal && is_binary(**last, bytes) {
                    let why = io::Error::other("it is a terminal, and this is no text: '-o FILE' keeps it");
                    return Err(Trouble::with("could not write to", "stdout", why));
                }
                **last = bytes.last().copied().unwrap_or(**last);
                give(sink, bytes, *patience, Trouble::at_stdout)
            }
        }
    }

    /// All of `item` has come: where it is now, if that is a file.
    pub(super) fn finish(self, item: &Item) -> Result<Option<PathBuf>, Trouble> {
        match self {
            Spot::Whole { landing, name, preserves } => landing
                .finish(item, preserves)
                .map(Some)
                .map_err(|error| Trouble::with("could not write to", &name, error)),
            Spot::Straight { path, .. } => Ok(Some(path)),
            // Else the prompt would stand behind the text.
            Spot::Stdout { sink, is_terminal: true, last, patience } if *last != b'\n' => {
                *last = b'\n';
                give(sink, b"\n", patience, Trouble::at_stdout).map(|()| None)
            }
            Spot::Stdout { .. } => Ok(None),
        }
    }
}

fn give(
    sink: &mut Sink,
    bytes: &[u8],
    patience: Option<Duration>,
    in_words: impl FnOnce(Stopped) -> Trouble,
) -> Result<(), Trouble> {
    if bytes.is_empty() { Ok(()) } else { os::give_all(sink, bytes, patience, &|_| {}).map_err(in_words) }
}

fn not_written(stopped: Stopped, path: &Path) -> Trouble {
    let failed = |error| Trouble::with("could not write to", &path.display().to_string(), error);
    match stopped {
        Stopped::TimedOut => Trouble::Silent,
        Stopped::Closed | Stopped::Ended => failed(io::ErrorKind::BrokenPipe.into()),
        Stopped::Failed(error) => failed(error),
    }
}

fn no_directory(path: &Path) -> io::Error {
    io::Error::other(format!("there is no directory '{}'", path.display()))
}

/// Opens what is there, if it is neither a file nor nothing: that is written to and never replaced.
fn special_file(path: &Path, patience: Option<Duration>) -> Result<Option<Sink>, Trouble> {
    if os::is_pipe(path) {
        let sink = super::ends_of_pipe(path, Direction::Out, patience)?.sink;
        return sink.ok_or(Trouble::Gone).map(Some);
    }
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let opened = OpenOptions::new().write(true).open(path).map(|file| Some(Sink::file(file)));
        return opened.map_err(|error| Trouble::with("could not write to", &path.display().to_string(), error));
    }
    Ok(None)
}

/// The name of `item` in a directory: the last component of what its sender calls it.
fn name_for(item: &Item, number: u64) -> Result<OsString, Trouble> {
    match item.kind {
        ItemKind::Text | ItemKind::Stream => Ok(format!("item-{number}").into()),
        ItemKind::File => safe_name(&item.name),
    }
}

fn safe_name(said: &[u8]) -> Result<OsString, Trouble> {
    let last = said.rsplit(|&byte| std::path::is_separator(byte.into())).next().unwrap_or_default();
    let name = os::name_from(last);
    if !os::is_ordinary_name(&name) || name.to_string_lossy().chars().any(char::is_control) {
        let said = String::from_utf8_lossy(said);
        return Err(Trouble::with("could not write to", &said, io::Error::other("no file should have such a name")));
    }
    Ok(name)
}

/// What a terminal would do something with, instead of showing it, behind the byte that it got `last`.
fn is_binary(last: u8, bytes: &[u8]) -> bool {
    let is_control = |byte: u8| (byte < 0x20 && !b"\t\n\r\x0c".contains(&byte)) || byte == 0x7f;
    // And those that UTF-8 writes with two bytes.
    let is_pair = |before: u8, byte: u8| before == 0xc2 && (0x80..0xa0).contains(&byte);
    let is_cut = bytes.first().is_some_and(|&first| is_pair(last, first));
    is_cut || bytes.iter().any(|&byte| is_control(byte)) || bytes.windows(2).any(|two| is_pair(two[0], two[1]))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use super::*;

    #[test]
    fn a_name_is_its_last_component() {
        for (said, name) in
            [("a", "a"), ("/etc/x", "x"), ("../../x", "x"), ("a/b c", "b c"), ("-x", "-x"), ("..x", "..x")]
        {
            assert_eq!(safe_name(said.as_bytes()).unwrap(), name, "{said}");
        }
        for said in ["", ".", "..", "a/", "/", "a/..", "a\nb", "\x1b]0;x\x07", "a\0b", "\u{9b}31m"] {
            assert!(safe_name(said.as_bytes()).is_err(), "{said:?}");
        }
    }

    #[test]
    fn a_terminal_is_not_to_be_harmed() {
        assert!(!is_binary(b'\n', "plain\ttext\r\n\u{e4}".as_bytes()));
        for bytes in [&b"\x1b[31m"[..], b"\0", b"a\x7f", b"\x08", "\u{9b}31m".as_bytes()] {
            assert!(is_binary(b'\n', bytes));
        }
    }

    /// However it is cut in two: by a record's end, or by a sender that went before its item's.
    #[test]
    fn a_terminal_is_not_to_be_harmed_in_two_steps() {
        let mut shown = tempfile::tempfile().unwrap();
        let sink = Sink::file(shown.try_clone().unwrap());
        let mut terminal = Destination::new(Kind::Stdout { sink, is_terminal: true, last: b'\n' });
        let text = Item::unknown(ItemKind::Text);
        let mut spot = terminal.place(&text, 1).unwrap();
        spot.write(b"\xc2").unwrap();
        assert!(spot.write(b"\x9b").is_err());
        // The end of an item ends the line, and what was begun there.
        let mut spot = terminal.place(&text, 2).unwrap();
        assert!(spot.write(b"\x9b").is_err());
        spot.write(b"\xa3 \xc2").unwrap();
        spot.finish(&text).unwrap();
        terminal.place(&text, 3).unwrap().write(b"\x9b").unwrap();
        let mut got = Vec::new();
        shown.rewind().unwrap();
        shown.read_to_end(&mut got).unwrap();
        assert_eq!(got, b"\xc2\xa3 \xc2\n\x9b");
    }
}
