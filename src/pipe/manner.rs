//! How we want to talk through a pipe, whoever makes it.

use super::{Direction, PeerRule};
use crate::os::{Mode, OneWay};

/// What has to be known before there is a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Which way bytes are to go, if the user said so.
    pub(crate) direction: Option<Direction>,
    /// Which way they go through a FIFO if the user did not, and if it can be guessed.
    pub(crate) guess: Option<OneWay>,
    /// Whether the pipe is to keep messages apart, if the user said so.
    pub(crate) mode: Option<Mode>,
    /// Who may be at the other end, if the user said so.
    pub(crate) rule: Option<PeerRule>,
    /// The kernel's buffers, in bytes.
    pub(crate) buffer_size: Option<usize>,
}

impl Manner {
    /// The one way that the user said.
    pub(crate) fn way(&self) -> Option<OneWay> {
        match self.direction {
            Some(Direction::In) => Some(OneWay::In),
            Some(Direction::Out) => Some(OneWay::Out),
            Some(Direction::InOut) | None => None,
        }
    }

    /// The way to go through a FIFO.
    pub(crate) fn fifo_way(&self) -> Option<OneWay> {
        if self.direction.is_some() { self.way() } else { self.guess }
    }
}
