//! How the clients of a hub are doing together, which decides whether those who talk have to wait.

use super::OnSlow;
use super::client::Client;

/// Counted anew whenever something was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Crowd {
    /// Clients that are to be sent what is said.
    pub(super) listeners: usize,
    /// Those of them with a full queue.
    full: usize,
    /// Those of these that have taken something lately.
    alive: usize,
    /// Does anything wait for anybody?
    pub(super) has_waiting: bool,
}

impl Crowd {
    pub(super) fn of<'c, 'a: 'c>(clients: impl Iterator<Item = &'c Client<'a>>) -> Self {
        let mut crowd = Crowd::default();
        for client in clients {
            crowd.has_waiting |= client.has_waiting();
            let one = Crowd::one(client);
            crowd.listeners += one.listeners;
            crowd.full += one.full;
            crowd.alive += one.alive;
        }
        crowd
    }

    fn one(client: &Client<'_>) -> Self {
        let is_full = client.listens() && client.is_full();
        Crowd {
            listeners: client.listens().into(),
            full: is_full.into(),
            alive: (is_full && client.is_alive()).into(),
            has_waiting: false,
        }
    }

    /// The others, for whom what `client` says is meant.
    pub(super) fn without(self, client: &Client<'_>) -> Self {
        let one = Crowd::one(client);
        Crowd {
            listeners: self.listeners.saturating_sub(one.listeners),
            full: self.full.saturating_sub(one.full),
            alive: self.alive.saturating_sub(one.alive),
            has_waiting: self.has_waiting,
        }
    }

    /// May more be said? The fastest sets the pace, so that a burst does not hurt those who keep up; once
    /// all have stopped, nobody is waited for.
    pub(super) fn has_room(self, on_slow: OnSlow) -> bool {
        match on_slow {
            OnSlow::Block => self.full == 0,
            OnSlow::Drop | OnSlow::Disconnect => self.full < self.listeners || self.alive == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_or_the_fastest_sets_the_pace() {
        let crowd = |listeners, full, alive| Crowd { listeners, full, alive, has_waiting: true };
        for (crowd, lossy, lossless) in [
            (crowd(0, 0, 0), true, true),
            (crowd(3, 0, 0), true, true),
            (crowd(3, 1, 1), true, false),
            (crowd(3, 3, 1), false, false),
            (crowd(3, 3, 0), true, false),
        ] {
            assert_eq!(crowd.has_room(OnSlow::Drop), lossy, "{crowd:?}");
            assert_eq!(crowd.has_room(OnSlow::Disconnect), lossy, "{crowd:?}");
            assert_eq!(crowd.has_room(OnSlow::Block), lossless, "{crowd:?}");
        }
    }
}
