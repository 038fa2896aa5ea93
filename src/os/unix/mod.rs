//! Unix: AF_UNIX sockets, poll, /proc. What is Linux alone says so where it stands.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;

mod activation;
mod children;
mod connector;
mod ends;
mod fifo;
mod files;
mod handles;
mod handover;
mod inventory;
mod lane;
mod link;
mod listener;
mod lookout;
mod name;
mod packets;
mod people;
mod place;
mod poll;
mod procfs;
mod pump;
mod rally;
mod ready;
mod signals;
mod sink;
mod source;
mod splice;
mod stdio;
mod steps;
mod stream;
mod wake;
mod ways;

pub(crate) use activation::{HandedOver, notify_ready};
pub(crate) use children::{
    become_command, end_politely, ends_within, exit_code, keep_from_children, prepare_child, raise_handle_limit,
    signal_child, survive_quit, wait_for_end,
};
pub(crate) use connector::Connector;
pub(crate) use fifo::is_pipe;
pub(crate) use files::{
    give_name, is_ordinary_name, is_sparse, mode_of, name_bytes, name_from, nameless_file, ordinary_permissions,
    set_mode, sync_directory,
};
pub(crate) use handles::{HandleId, hand_over, handle_path};
pub(crate) use handover::{clone_file, copy_range, give_file, hands_files, take_file};
pub(crate) use inventory::pipes;
pub(crate) use link::Link;
pub(crate) use listener::Listener;
pub(crate) use lookout::Lookout;
pub(crate) use name::OwnedName;
pub(crate) use people::{current_user, group_id, user_id, user_name};
pub(crate) use place::{Place, find_elsewhere};
pub(crate) use pump::{pump, share_threads};
pub(crate) use ready::ReadyHandle;
pub(crate) use signals::{INTERRUPT, SIGTERM, STDOUT_CLOSED_CODE, die_of_closed_stdout, die_of_signal, on_termination};
pub(crate) use sink::Sink;
pub(crate) use source::Source;
pub(crate) use stdio::{is_in_background, stderr_has_room, stdout_was_closed, try_say};
pub(crate) use steps::{give_all, take_some};
pub(crate) use stream::{Connection, Cutter, Stream};
pub(crate) use wake::Wake;

pub(crate) use std::process::{Child, Command, Stdio};

/// `/dev/fd/N`.
pub(crate) const HANDLES_HAVE_PATHS: bool = true;
/// Files and sockets have owners.
pub(crate) const PIPES_HAVE_OWNERS: bool = true;
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
