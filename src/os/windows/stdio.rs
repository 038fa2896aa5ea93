//! Letting go of this process's stdin and stdout, whoever else has them.

use std::fs::File;
use std::io::{self, Write};
use std::os::windows::io::{AsRawHandle, IntoRawHandle};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use windows_sys::Win32::Foundation::CloseHandle;
use windows_sys::Win32::System::Console::{STD_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, SetStdHandle};

/// Tells whoever reads our stdout that no more comes, though we stay.
pub(super) fn finish_stdout() {
    if let Ok(nothing) = File::options().write(true).open("NUL") {
        replace(STD_OUTPUT_HANDLE, io::stdout().as_raw_handle(), nothing);
    }
}

/// Lets go of stdin: whoever writes to it learns that nobody reads any more.
pub(super) fn close_stdin() {
    if let Ok(nothing) = File::open("NUL") {
        replace(STD_INPUT_HANDLE, io::stdin().as_raw_handle(), nothing);
    }
}

fn replace(which: STD_HANDLE, old: std::os::windows::io::RawHandle, new: File) {
    // SAFETY: the new handle is open and stays so; std asks for it anew at each use.
    unsafe { SetStdHandle(which, new.into_raw_handle()) };
    // SAFETY: it was the process's own, and from here on nobody in it uses it.
    unsafe { CloseHandle(old) };
}

/// A process without a console has no stdout, and std then throws away what is written.
pub(crate) fn stdout_was_closed() -> bool {
    io::stdout().as_raw_handle().is_null()
}

/// There are no jobs of a terminal.
pub(crate) fn is_in_background() -> bool {
    false
}

/// That cannot be known here.
pub(crate) fn stderr_has_room(_: Duration) -> bool {
    true
}

/// How long a process that is about to die waits for a stderr that is full.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Writes to stderr, for a process that is about to die: it does not wait long for that.
pub(crate) fn try_say(text: &str) {
    let (text, (tell, hear)) = (text.to_owned(), channel());
    let said = move || drop((io::stderr().write_all(text.as_bytes()), tell));
    if thread::Builder::new().spawn(said).is_ok() {
        let _: Result<(), _> = hear.recv_timeout(LAST_WORDS);
    }
}
