//! What is peculiar about files here: names are Unicode, permissions are not bits, and every file has a name
//! while it is being written.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::path::Path;
use std::time::Duration;

use super::sink::Sink;
use super::source::Source;
use crate::os::Stopped;

/// What means something in a path, beside the separators.
const MEANT: [char; 7] = ['<', '>', ':', '"', '|', '?', '*'];
/// What every directory has (Microsoft, Naming Files, Paths, and Namespaces) ...
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
/// ... and COM and LPT with one of these behind them.
const PORTS: [&str; 12] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "\u{b9}", "\u{b2}", "\u{b3}"];

pub(crate) fn nameless_file(_: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

pub(crate) fn give_name(_: &File, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// NTFS keeps its directories in order itself.
pub(crate) fn sync_directory(_: &Path) {}

pub(crate) fn ordinary_permissions() -> Option<Permissions> {
    None
}

pub(crate) fn set_mode(_: &File, _: u32) -> io::Result<()> {
    Ok(())
}

pub(crate) fn mode_of(_: &Metadata) -> Option<u32> {
    None
}

pub(crate) fn is_sparse(_: &Metadata) -> bool {
    false
}

pub(crate) fn name_bytes(name: &OsStr) -> Vec<u8> {
    name.to_string_lossy().into_owned().into_bytes()
}

pub(crate) fn name_from(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// A drive, a stream, a pattern or a device is no file, and a dot or a space at the end is not a part of its name.
pub(crate) fn is_ordinary_name(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    !name.is_empty() && !name.contains(MEANT) && !name.ends_with(['.', ' ']) && !is_device(&name)
}

/// A device is one whatever comes behind a dot.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end_matches(' ').to_uppercase();
    let port = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    DEVICES.contains(&stem.as_str()) || port.is_some_and(|number| PORTS.contains(&number))
}

pub(crate) fn hands_files() -> bool {
    false
}

pub(crate) fn give_file(_: &Sink, _: &[u8], _: &File, _: Option<Duration>) -> Result<(), Stopped> {
    Err(Stopped::Failed(io::ErrorKind::Unsupported.into()))
}

pub(crate) fn take_file(_: &Source, _: &mut [u8], _: Option<Duration>) -> Result<File, Stopped> {
    Err(Stopped::Failed(io::ErrorKind::Unsupported.into()))
}

pub(crate) fn clone_file(_: &File, _: &File) -> bool {
    false
}

pub(crate) fn copy_range(_: &File, _: u64, _: &File, _: usize) -> io::Result<Option<usize>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_a_file_in_its_directory() {
        for name in ["a", "..x", "-x", "a b.txt", ".a", "nullable", "COM", "COM10", "com1x", "console.txt", "\u{e4}"] {
            assert!(is_ordinary_name(OsStr::new(name)), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "C:evil",
            "C:",
            "a:b",
            "a<",
            "a>",
            "a\"",
            "a|",
            "a?",
            "*",
            "a.",
            "a ",
            "...",
            "NUL",
            "nul",
            "CON",
            "Aux.txt",
            "NUL.tar.gz",
            "PRN .txt",
            "COM1",
            "com9.log",
            "LPT1",
            "LPT\u{b9}",
            "conin$",
        ] {
            assert!(!is_ordinary_name(OsStr::new(name)), "{name}");
        }
    }
}
