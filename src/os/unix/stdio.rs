//! Letting go of this process's stdin and stdout, whatever they are and whoever else has them.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::FileType;
use rustix::net::Shutdown;

/// Tells whoever reads our stdout that no more comes, though we stay.
pub(super) fn finish_stdout() -> io::Result<()> {
    let stdout = rustix::stdio::stdout();
    if is_same_socket(rustix::stdio::stdin(), stdout) {
        // inetd, socat's nofork, Node's children: stdin holds it open, a close would say nothing.
        return Ok(rustix::net::shutdown(stdout, Shutdown::Write)?);
    }
    Ok(rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?)?)
}

/// Lets go of stdin: whoever writes to it learns that nobody reads any more.
pub(super) fn close_stdin() -> io::Result<()> {
    Ok(rustix::stdio::dup2_stdin(File::open("/dev/null")?)?)
}

fn is_same_socket(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    match (rustix::fs::fstat(one), rustix::fs::fstat(other)) {
        (Ok(one), Ok(other)) => {
            FileType::from_raw_mode(one.st_mode) == FileType::Socket
                && (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
        }
        _ => false,
    }
}
