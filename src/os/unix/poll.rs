//! poll(2), the one call in which a thread of ours sleeps.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

/// What poll always reports: the other side does not take any more.
pub(super) const CLOSED: PollFlags = PollFlags::ERR.union(PollFlags::HUP).union(PollFlags::NVAL);

/// A file and what it is watched for. Where it is missing, nothing happens to it, and it costs nothing.
pub(super) type Watched<'a> = (Option<BorrowedFd<'a>>, PollFlags);

/// poll(2) for `timeout`, or for ever: what happened to each file, nothing for any when time is over.
pub(super) fn poll<const N: usize>(
    files: [(BorrowedFd<'_>, PollFlags); N],
    timeout: Option<Duration>,
) -> io::Result<[PollFlags; N]> {
    poll_present(files.map(|(fd, events)| (Some(fd), events)), timeout)
}

/// The same, where some of the files may be missing.
pub(super) fn poll_present<const N: usize>(
    files: [Watched<'_>; N],
    timeout: Option<Duration>,
) -> io::Result<[PollFlags; N]> {
    let happened = poll_all(&files, timeout)?;
    Ok(std::array::from_fn(|index| happened[index]))
}

/// The same for as many as there are.
pub(super) fn poll_all(files: &[Watched<'_>], timeout: Option<Duration>) -> Result<Vec<PollFlags>, Errno> {
    let present = files.iter().filter_map(|&(fd, events)| Some((fd?, events)));
    let mut polled: Vec<_> = present.map(|(fd, events)| PollFd::from_borrowed_fd(fd, events)).collect();
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match rustix::event::poll(&mut polled, timeout.as_ref()) {
        // A signal: as if nothing had happened; every caller looks again.
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error),
    }
    let mut happened = polled.iter().map(PollFd::revents);
    let of = |&(fd, _): &Watched<'_>| fd.and_then(|_| happened.next()).unwrap_or(PollFlags::empty());
    Ok(files.iter().map(of).collect())
}
