//! Windows: the same names as on Unix. Pipes are not there yet, and each says so by its name; what is
//! here is where they lead and how this system ends a process.

mod files;
mod handles;
mod hub;
mod place;
mod process;
mod pumps;

pub(crate) use files::{
    clone_file, copy_range, give_file, give_name, hands_files, is_sparse, mode_of, name_bytes, name_from,
    nameless_file, ordinary_permissions, set_mode, sync_directory, take_file,
};
pub(crate) use handles::{HandleId, hand_over, handle_path};
pub(crate) use hub::{Cutter, HandedOver, Link, Lookout, notify_ready, pipes};
pub(crate) use place::{Access, Connection, Connector, Listener, OwnedName, Place, Stream, find_elsewhere, is_pipe};
pub(crate) use process::{
    INTERRUPT, ReadyHandle, SIGTERM, STDOUT_CLOSED_CODE, become_command, current_user, die_of_closed_stdout,
    die_of_signal, end_politely, ends_within, exit_code, group_id, keep_from_children, on_termination, prepare_child,
    private, raise_handle_limit, signal_child, stdout_was_closed, survive_quit, try_say, user_id, user_name,
    wait_for_end,
};
pub(crate) use pumps::{Sink, Source, Wake, give_all, pump, pump_messages, take_some};

/// What this system is still to learn.
fn not_yet(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::Unsupported, format!("{what}: not yet on Windows"))
}
