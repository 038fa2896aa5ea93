//! Pipes as the rest of the program sees them: addresses, both roles, and who is at the other end.
//! How a system does it is left to `os`.

pub(crate) mod address;
pub(crate) mod clock;
pub(crate) mod direction;
pub(crate) mod listener;
pub(crate) mod manner;
pub(crate) mod peer;
pub(crate) mod stream;

pub(crate) use address::PipeAddress;
pub(crate) use clock::Clock;
pub(crate) use direction::Direction;
pub(crate) use listener::{Listener, nobody_came, within};
pub(crate) use manner::Manner;
pub(crate) use peer::PeerRule;
pub(crate) use stream::{COMING_BACK, PipeEnds, PipeStream, Seek, Waited, peer_name};
