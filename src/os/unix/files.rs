//! What is peculiar about files here: their names are bytes, they have permissions and holes, and on Linux
//! they need no name while they are being written.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// The unit of `st_blocks` (stat(3type)).
const BLOCK: u64 = 512;
/// What the umask leaves of this is an ordinary file's.
const ORDINARY: u32 = 0o666;
/// What a peer may say of permissions: nothing about whose rights a program gets.
const PERMISSIONS: u32 = 0o777;

/// A file in `directory` that has no name (`O_TMPFILE`, open(2)): nothing, where there are none.
#[cfg(target_os = "linux")]
pub(crate) fn nameless_file(directory: &Path) -> io::Result<Option<File>> {
    use rustix::fs::{Mode, OFlags};
    use rustix::io::Errno;
    // By this path it is given its name later.
    if !Path::new("/proc/self/fd").exists() {
        return Ok(None);
    }
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(directory, flags, Mode::from_raw_mode(ORDINARY)) {
        Ok(file) => Ok(Some(file.into())),
        // No such file system, or no such kernel.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn nameless_file(_: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

/// Gives a file without a name one that is free.
pub(crate) fn give_name(file: &File, path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD};
    let here = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, here, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

/// Has a new name in `directory` outlive a power cut, where that can be had.
pub(crate) fn sync_directory(directory: &Path) {
    if let Ok(directory) = File::open(directory) {
        let _ = directory.sync_all();
    }
}

/// Permissions that a file gets of which nobody said any, less the umask.
#[expect(clippy::unnecessary_wraps, reason = "Windows has no such bits")]
pub(crate) fn ordinary_permissions() -> Option<Permissions> {
    Some(Permissions::from_mode(ORDINARY))
}

/// Gives `file` the permissions of which a peer has said the bits.
pub(crate) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode & PERMISSIONS))
}

/// The permission bits of a file.
#[expect(clippy::unnecessary_wraps, reason = "Windows has no such bits")]
pub(crate) fn mode_of(file: &Metadata) -> Option<u32> {
    Some(file.mode() & PERMISSIONS)
}

/// Does a file have holes?
pub(crate) fn is_sparse(file: &Metadata) -> bool {
    file.blocks() * BLOCK < file.len()
}

/// A file's name as a peer is told it.
pub(crate) fn name_bytes(name: &OsStr) -> Vec<u8> {
    name.as_bytes().to_owned()
}

/// A file's name as a peer has said it.
pub(crate) fn name_from(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_owned())
}

/// Is a file of that name in the directory that it is put in, and nothing but a file?
pub(crate) fn is_ordinary_name(name: &OsStr) -> bool {
    !["", ".", ".."].map(OsStr::new).contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_whatever_windows_makes_of_it() {
        for name in ["a", "..x", "C:evil", "a:b", "NUL", "com1.txt", "a?", "a.", "a "] {
            assert!(is_ordinary_name(OsStr::new(name)), "{name}");
        }
        for name in ["", ".", ".."] {
            assert!(!is_ordinary_name(OsStr::new(name)), "{name}");
        }
    }
}
