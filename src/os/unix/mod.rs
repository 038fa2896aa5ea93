//! Unix: AF_UNIX sockets, poll, /proc. What is Linux alone says so where it stands.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;

mod children;
mod connector;
mod ends;
mod fifo;
mod handles;
mod listener;
mod name;
mod packets;
mod people;
mod place;
mod procfs;
mod pump;
mod ready;
mod signals;
mod sink;
mod source;
mod stdio;
mod stream;
mod wake;

pub(crate) use children::{
    become_command, end_politely, exit_code, keep_from_children, prepare_child, raise_handle_limit, signal_child,
    survive_quit, wait_for_end,
};
pub(crate) use connector::Connector;
pub(crate) use fifo::is_pipe;
pub(crate) use handles::{HandleId, hand_over, handle_path};
pub(crate) use listener::Listener;
pub(crate) use name::OwnedName;
pub(crate) use people::{current_user, group_id, user_id, user_name};
pub(crate) use place::{Place, find_elsewhere};
pub(crate) use pump::{pump, pump_messages};
pub(crate) use ready::ReadyHandle;
pub(crate) use signals::{INTERRUPT, SIGTERM, STDOUT_CLOSED_CODE, die_of_closed_stdout, die_of_signal, on_termination};
pub(crate) use sink::Sink;
pub(crate) use source::Source;
pub(crate) use stdio::try_say;
pub(crate) use stream::{Connection, Stream};
pub(crate) use wake::Wake;

pub(crate) use std::process::{Child, Command, Stdio};

/// `/dev/fd/N`.
pub(crate) const HANDLES_HAVE_PATHS: bool = true;
/// Sockets are this computer's.
pub(crate) const HAS_REMOTE_CLIENTS: bool = false;

/// The mode of a pipe of which the user said nothing: the socket there shows it.
pub(crate) fn mode_for(_messages: bool) -> Option<crate::os::Mode> {
    None
}

/// For a file that only the user may open.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}
