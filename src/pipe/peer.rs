//! Who may be at the other end (DESIGN section 6). Who *is* there, the kernel says: `os`.

use std::fmt;
use std::io;

use crate::os::{self, Peer};

/// Whom we talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerRule {
    /// Everybody who can open the pipe: its permissions decide.
    Any,
    /// The user with this ID, and root, who could take our memory anyway.
    User(u32),
}

impl PeerRule {
    /// The rule by which only this process's own user is let in.
    pub(crate) fn same_user() -> Self {
        PeerRule::User(os::current_user())
    }

    /// Lets `peer` pass, or says why not (`PermissionDenied`).
    pub(crate) fn check(self, peer: &Peer) -> io::Result<()> {
        match self {
            PeerRule::User(user) if peer.user != user && peer.user != 0 => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("the peer is {peer}, and only {} may be (--peer says otherwise)", User(user)),
            )),
            _ => Ok(()),
        }
    }

    /// The same of a pipe that does not say who is there, but who has made it.
    pub(super) fn check_maker(self, maker: Option<u32>) -> io::Result<()> {
        match (self, maker) {
            (PeerRule::User(user), Some(maker)) if maker != user && maker != 0 => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("it was made by {}, where everybody can make one ('--peer any' takes it)", User(maker)),
            )),
            (PeerRule::User(_), None) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "this pipe does not say who is there ('--peer any' takes anybody)",
            )),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, ", User(self.user))?;
        match self.pid {
            Some(pid) => write!(f, "pid {pid}"),
            // Another PID namespace: legal, and no reason to refuse.
            None => f.write_str("pid unknown"),
        }
    }
}

/// A user for people: the name where there is one, and the ID always.
struct User(u32);

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match os::user_name(self.0) {
            Some(name) => write!(f, "user {name} (uid {})", self.0),
            None => write!(f, "uid {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_user_and_root_pass() {
        let peer = |user| Peer { user, group: user, pid: None };
        assert!(PeerRule::User(1000).check(&peer(1000)).is_ok());
        assert!(PeerRule::User(1000).check(&peer(0)).is_ok());
        assert!(PeerRule::User(0).check(&peer(1000)).is_err());
        assert!(PeerRule::Any.check(&peer(1000)).is_ok());
        let refused = PeerRule::User(1000).check(&peer(4_000_000)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        assert!(refused.to_string().contains("uid 4000000, pid unknown"), "{refused}");
    }
}
