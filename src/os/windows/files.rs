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
