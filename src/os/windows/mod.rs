//! Windows: named pipes, overlapped calls, SIDs. The files are those of Unix where the idea is the same;
//! `pipe`, `overlapped`, `call`, `blocking`, `security`, and `command` with `spawn`, `executable` and `quoting` have no
//! twin there.

#![allow(
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "what Unix asks the system for can be an answer without a question here"
)]

use std::fs::OpenOptions;

mod activation;
mod blocking;
mod call;
mod children;
mod command;
mod connector;
mod ends;
mod executable;
mod files;
mod handles;
mod inventory;
mod link;
mod listener;
mod lookout;
mod name;
mod overlapped;
mod people;
mod pipe;
mod place;
mod pump;
mod quoting;
mod ready;
mod security;
mod signals;
mod sink;
mod source;
mod spawn;
mod stdio;
mod steps;
mod stream;
mod wake;

use crate::os::Mode;

pub(crate) use activation::{HandedOver, notify_ready};
pub(crate) use children::{
    become_command, end_politely, ends_within, exit_code, keep_from_children, prepare_child, raise_handle_limit,
    signal_child, survive_quit, wait_for_end,
};
pub(crate) use command::{Child, Command, Stdio};
pub(crate) use connector::Connector;
pub(crate) use files::{
    clone_file, copy_range, give_file, give_name, hands_files, is_ordinary_name, is_sparse, mode_of, name_bytes,
    name_from, nameless_file, ordinary_permissions, set_mode, sync_directory, take_file,
};
pub(crate) use handles::{HandleId, hand_over, handle_path};
pub(crate) use inventory::pipes;
pub(crate) use link::Link;
pub(crate) use listener::Listener;
pub(crate) use lookout::Lookout;
pub(crate) use name::OwnedName;
pub(crate) use people::{current_user, group_id, user_id, user_name};
pub(crate) use place::{Place, find_elsewhere, is_pipe};
pub(crate) use pump::{pump, share_threads};
pub(crate) use ready::ReadyHandle;
pub(crate) use signals::{INTERRUPT, SIGTERM, STDOUT_CLOSED_CODE, die_of_closed_stdout, die_of_signal, on_termination};
pub(crate) use sink::Sink;
pub(crate) use source::Source;
pub(crate) use stdio::{is_in_background, stderr_has_room, stdout_was_closed, try_say};
pub(crate) use steps::{give_all, take_some};
pub(crate) use stream::{Connection, Cutter, Stream};
pub(crate) use wake::Wake;

/// There is nothing like `/dev/fd`.
pub(crate) const HANDLES_HAVE_PATHS: bool = false;
/// Pipes can be reached from other computers here.
pub(crate) const HAS_REMOTE_CLIENTS: bool = true;
/// Whose a pipe is can be asked by its clients only.
pub(crate) const PIPES_HAVE_OWNERS: bool = false;

/// The mode of a pipe of which the user said nothing, but that messages are wanted. Without them a pipe of
/// messages is a stream of bytes, as Docker's engine uses it.
pub(crate) fn mode_for(messages: bool) -> Option<Mode> {
    messages.then_some(Mode::Message)
}

/// For a file that only the user may open. The user's own directories are private already.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}
