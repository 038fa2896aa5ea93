//! How we want to talk through a pipe, whoever makes it.

use super::{Direction, PeerRule};
use crate::os::OneWay;

/// What has to be known before there is a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Which way bytes go where both are possible.
    pub(crate) direction: Direction,
    /// Which way they go through a FIFO; unknown if the user said nothing and it cannot be guessed.
    pub(crate) one_way: Option<OneWay>,
    /// Who may be at the other end.
    pub(crate) rule: PeerRule,
    /// The kernel's buffers, in bytes.
    pub(crate) buffer_size: Option<usize>,
}
