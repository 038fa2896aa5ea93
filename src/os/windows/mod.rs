//! Windows: the same names as on Unix. Pipes are not there yet, and each says so by its name; what is
//! here is where they lead and how this system ends a process.

mod place;
mod process;
mod pumps;
pub(crate) mod stdio;

pub(crate) use place::{Access, Listener, OwnedName, Place, Stream, find_elsewhere, try_connect};
pub(crate) use process::{
    INTERRUPT, ReadyHandle, STDOUT_CLOSED_CODE, current_user, die_of_closed_stdout, die_of_signal, error_text,
    group_id, on_termination, user_id, user_name,
};
pub(crate) use pumps::{Sink, Source, Wake, pump};

/// What this system is still to learn.
fn not_yet(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::Unsupported, format!("{what}: not yet on Windows"))
}
