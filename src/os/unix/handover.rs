//! A file itself, in place of its bytes: passed along a socket (SCM_RIGHTS), and copied by the kernel.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};

use super::sink::Sink;
use super::source::Source;
use super::steps::{wait_for_data, wait_for_room};
use super::ways::is_plain_wanted;
use crate::os::{Stopped, in_time};

/// What is copied at once where the kernel does not do it.
#[cfg(target_os = "linux")]
const PIECE: usize = 256 * 1024;

/// Can files be handed over on this system?
pub(crate) fn hands_files() -> bool {
    !is_plain_wanted()
}

/// Says `words` with a descriptor of `file`, which goes with the first of them.
pub(crate) fn give_file(sink: &Sink, words: &[u8], file: &File, patience: Option<Duration>) -> Result<(), Stopped> {
    let deadline = in_time(patience);
    let (files, flags) = ([file.as_fd()], SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&files));
        match rustix::net::sendmsg(sink, &[IoSlice::new(words)], &mut control, flags) {
            Ok(sent) if sent == words.len() => return Ok(()),
            // So few bytes go at once.
            Ok(_) => return Err(Stopped::Failed(io::ErrorKind::WriteZero.into())),
            Err(Errno::AGAIN) => wait_for_room(sink, deadline)?,
            Err(Errno::INTR) => {}
            Err(Errno::PIPE) => return Err(Stopped::Closed),
            Err(error) => return Err(Stopped::Failed(error.into())),
        }
    }
}

/// Takes such words, as many as `words` has room for, and the file that comes with them.
///
/// # Errors
/// `InvalidData` where no file comes with them, or something that is none; and as `take_some`.
pub(crate) fn take_file(source: &Source, words: &mut [u8], patience: Option<Duration>) -> Result<File, Stopped> {
    let deadline = in_time(patience);
    let wanted = words.len();
    loop {
        wait_for_data(source, None, deadline)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        match rustix::net::recvmsg(source, &mut [IoSliceMut::new(words)], &mut control, flags) {
            Ok(got) if got.bytes == 0 => return Err(Stopped::Ended),
            Ok(got) => {
                let file = first_file(&mut control).filter(|_| got.bytes == wanted);
                return file.ok_or_else(|| Stopped::Failed(io::ErrorKind::InvalidData.into()));
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(Stopped::Failed(error.into())),
        }
    }
}

/// The file that came; all else that came is closed here.
fn first_file(control: &mut RecvAncillaryBuffer<'_>) -> Option<File> {
    let files = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => Some(files),
        _ => None,
    });
    files.flatten().next().map(File::from).filter(|file| file.metadata().is_ok_and(|found| found.is_file()))
}

/// Makes `target` the same file as `source` in all but name, without copying a byte (FICLONE, ioctl_ficlonerange(2)).
/// False where that cannot be had.
#[cfg(target_os = "linux")]
pub(crate) fn clone_file(source: &File, target: &File) -> bool {
    rustix::fs::ioctl_ficlone(target, source).is_ok()
}

/// Has the kernel copy up to `most` bytes from `offset` on to where `target` is. Nothing where it cannot be had
/// from the kernel (copy_file_range(2)).
#[cfg(target_os = "linux")]
pub(crate) fn copy_range(source: &File, mut offset: u64, target: &File, most: usize) -> io::Result<Option<usize>> {
    match rustix::io::retry_on_intr(|| rustix::fs::copy_file_range(source, Some(&mut offset), target, None, most)) {
        Ok(copied) => Ok(Some(copied)),
        // What it has begun is ended all the same.
        Err(error) if offset > 0 && is_refusal(error) => copy_by_bytes(source, offset, target, most).map(Some),
        Err(error) if is_refusal(error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(target_os = "linux")]
fn is_refusal(error: Errno) -> bool {
    matches!(error, Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM | Errno::BADF)
}

#[cfg(target_os = "linux")]
fn copy_by_bytes(source: &File, offset: u64, mut target: &File, most: usize) -> io::Result<usize> {
    use std::io::Write;
    use std::os::unix::fs::FileExt;
    let mut buffer = vec![0; most.min(PIECE)];
    let read = source.read_at(&mut buffer, offset)?;
    target.write_all(&buffer[..read])?;
    Ok(read)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn clone_file(_: &File, _: &File) -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn copy_range(_: &File, _: u64, _: &File, _: usize) -> io::Result<Option<usize>> {
    Ok(None)
}
