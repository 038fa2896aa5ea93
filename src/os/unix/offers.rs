//! Pipes that a shell can offer after TAB: those that live, as they are typed. What is offered ends up in the
//! user's command line, so only what is this user's or root's counts where a file says whose it is.

use std::collections::HashSet;
use std::fs::{self, DirEntry};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::people::current_user;
use super::place::{NAME_PREFIX, temporary_directory};
use super::procfs;

/// Names that are served where .NET looks, abstract sockets, and the sockets and FIFOs of the temporary
/// directory by their paths. What is not UTF-8 is left out.
pub(crate) fn live_pipes() -> Vec<String> {
    let served = procfs::listening_sockets().into_iter().map(|socket| std::ffi::OsString::from_vec(socket.path));
    let served: HashSet<PathBuf> = served.map(PathBuf::from).collect();
    let abstract_names = served.iter().filter_map(|path| path.to_str()).filter(|path| path.starts_with('@'));
    let mut offers: Vec<String> = abstract_names.map(str::to_owned).collect();
    let directory = fs::read_dir(temporary_directory()).into_iter().flatten();
    let files = directory.flatten().filter(|entry| is_live(entry, &served));
    offers.extend(files.filter_map(|entry| as_typed(&entry.path())));
    offers.sort();
    offers
}

/// A FIFO, or a socket that somebody serves; where there is no /proc, any socket.
fn is_live(entry: &DirEntry, served: &HashSet<PathBuf>) -> bool {
    entry.metadata().is_ok_and(|found| {
        let kind = found.file_type();
        let is_there = kind.is_fifo() || kind.is_socket() && (served.is_empty() || served.contains(&entry.path()));
        is_there && [0, current_user()].contains(&found.uid())
    })
}

/// A name without what .NET puts in front, or a path.
fn as_typed(path: &Path) -> Option<String> {
    let path = path.to_str()?;
    let file = path.rsplit('/').next()?;
    match file.strip_prefix(NAME_PREFIX) {
        // Typed bare, these would be an abstract socket and an option.
        Some(name) => (!name.starts_with(['@', '-'])).then(|| name.to_owned()),
        None => Some(path.to_owned()),
    }
}
