//! A file that appears under its name whole or not at all.
//!
//! Where the system has files without a name (Linux's O_TMPFILE), bytes go into one, and not even a SIGKILL
//! leaves anything. Elsewhere they go into a temporary file beside the target, `.NAME.XXXXXX.pipetool-part`,
//! which is removed again whatever happens but a SIGKILL.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, FileTimes};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::{Builder, TempPath};

use super::wire::Item;
use crate::interrupt::{self, Cleanup};
use crate::os::{self, directory_of};

/// By this a temporary file is recognised that a SIGKILL has left.
const SUFFIX: &str = ".pipetool-part";
/// In a sparse file, so many zero bytes at once are worth a hole.
const HOLE: usize = 64 * 1024;

/// A file that is being written and has no name yet.
#[derive(Debug)]
pub(super) struct Landing {
    file: File,
    target: PathBuf,
    replaces: bool,
    sparse: bool,
    /// The temporary name, where it has one.
    temporary: Option<Temporary>,
}

/// A temporary name: gone on drop, and should a signal end us.
#[derive(Debug)]
struct Temporary {
    path: TempPath,
    _removed_at_death: Cleanup,
}

impl Temporary {
    fn new(path: TempPath) -> Self {
        let removed = path.to_path_buf();
        Temporary { path, _removed_at_death: interrupt::at_death(move || drop(fs::remove_file(&removed))) }
    }
}

impl Landing {
    /// Begins a file that is to be `target`; one that is there already stays there unless it `replaces` it.
    ///
    /// # Errors
    /// `AlreadyExists`, and whatever keeps a file from being made in that directory.
    pub(super) fn begin(target: &Path, replaces: bool, sparse: bool) -> io::Result<Self> {
        match fs::symlink_metadata(target) {
            Ok(found) if found.is_dir() => return Err(io::Error::other("a directory is there")),
            Ok(_) if !replaces => return Err(already_there()),
            _ => {}
        }
        let landing = |file, temporary| Landing { file, target: target.to_owned(), replaces, sparse, temporary };
        if let Some(file) = os::nameless_file(directory_of(target))? {
            return Ok(landing(file, None));
        }
        let (prefix, mut builder) = (prefix(target), Builder::new());
        let (file, path) = named(&mut builder, &prefix).tempfile_in(directory_of(target)).map_err(plain)?.into_parts();
        Ok(landing(file, Some(Temporary::new(path))))
    }

    /// Writes the next bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.sparse {
            return self.file.write_all(bytes);
        }
        for piece in bytes.chunks(HOLE) {
            if piece.iter().all(|&byte| byte == 0) {
                self.file.seek_relative(i64::try_from(piece.len()).unwrap_or(i64::MAX))?;
            } else {
                self.file.write_all(piece)?;
            }
        }
        Ok(())
    }

    /// Becomes `source`, all `size` bytes of it, without a byte being copied: can that be had?
    pub(super) fn becomes(&mut self, source: &File, size: u64) -> io::Result<bool> {
        // No file is as large, whatever a peer says.
        if i64::try_from(size).is_err() || !os::clone_file(source, &self.file) {
            return Ok(false);
        }
        self.sparse = false;
        // It may have grown since its size was said.
        self.file.set_len(size)?;
        Ok(true)
    }

    /// Has the kernel copy up to `most` bytes of `source` from `offset` on: nothing where it cannot.
    pub(super) fn copy(&mut self, source: &File, offset: u64, most: usize) -> io::Result<Option<usize>> {
        os::copy_range(source, offset, &self.file, most)
    }

    /// Gives it its name, once all of it is safely written. With `preserve` it is as old as `item` says, and has
    /// its permissions.
    ///
    /// # Errors
    /// `AlreadyExists` for a name that has come into being meanwhile; whatever keeps bytes from the disk.
    pub(super) fn finish(mut self, item: &Item, preserve: bool) -> io::Result<PathBuf> {
        if self.sparse {
            // A hole at the end is no write.
            let end = self.file.stream_position()?;
            self.file.set_len(end)?;
        }
        if preserve {
            take_over(&self.file, item)?;
        }
        self.file.sync_all()?;
        let named = match self.temporary.take() {
            Some(Temporary { path, .. }) if self.replaces => path.persist(&self.target).map_err(|error| error.error),
            Some(Temporary { path, .. }) => path.persist_noclobber(&self.target).map_err(|error| error.error),
            None if self.replaces => self.replace(),
            None => os::give_name(&self.file, &self.target),
        };
        named.map_err(|error| if error.kind() == io::ErrorKind::AlreadyExists { already_there() } else { error })?;
        os::sync_directory(directory_of(&self.target));
        Ok(self.target)
    }

    /// A nameless file cannot take a name that is in use: it gets another one first, for a moment.
    fn replace(&self) -> io::Result<()> {
        if fs::symlink_metadata(&self.target).is_err() {
            match os::give_name(&self.file, &self.target) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                named => return named,
            }
        }
        let (prefix, mut builder) = (prefix(&self.target), Builder::new());
        let give = |path: &Path| os::give_name(&self.file, path);
        let path =
            named(&mut builder, &prefix).make_in(directory_of(&self.target), give).map_err(plain)?.into_temp_path();
        // All of it lives until the other name is gone.
        let temporary = Temporary::new(path);
        temporary.path.persist(&self.target).map_err(|error| error.error)
    }
}

fn named<'a, 'b>(builder: &'a mut Builder<'b, 'static>, prefix: &'b OsStr) -> &'a mut Builder<'b, 'static> {
    builder.prefix(prefix).suffix(SUFFIX);
    if let Some(permissions) = os::ordinary_permissions() {
        builder.permissions(permissions);
    }
    builder
}

/// The system's own error, which tempfile wraps up with a path that nobody knows.
fn plain(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|wrapped| wrapped.source()?.downcast_ref::<io::Error>()?.raw_os_error());
    inner.map_or(error, io::Error::from_raw_os_error)
}

/// The beginning of a temporary name, which is to fit where its target fits.
fn prefix(target: &Path) -> OsString {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let short: String = name.chars().take(40).collect();
    format!(".{short}.").into()
}

fn take_over(file: &File, item: &Item) -> io::Result<()> {
    if let Some((seconds, nanoseconds)) = item.modified
        && let Some(time) = time(seconds, nanoseconds)
    {
        file.set_times(FileTimes::new().set_modified(time))?;
    }
    item.mode.map_or(Ok(()), |mode| os::set_mode(file, mode))
}

/// A time that a peer has said, where this system has it.
fn time(seconds: i64, nanoseconds: u32) -> Option<SystemTime> {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let whole = if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    whole?.checked_add(Duration::from_nanos(nanoseconds.into()))
}

pub(super) fn already_there() -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, "it is there already (--force replaces it)")
}
