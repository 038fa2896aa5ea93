//! How many clients are served at once: `--max-clients`.

use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Places for clients. Clones are the same places.
#[derive(Clone, Debug)]
pub(crate) struct Slots(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug)]
struct State {
    free: usize,
    closed: bool,
}

/// A place that is taken; free again on drop.
#[derive(Debug)]
pub(crate) struct Slot(Slots);

impl Slots {
    /// So many places, or as many as it takes.
    pub(crate) fn new(most: Option<NonZeroUsize>) -> Self {
        let state = State { free: most.map_or(usize::MAX, NonZeroUsize::get), closed: false };
        Slots(Arc::new((Mutex::new(state), Condvar::new())))
    }

    /// Waits for a free place. None once they are closed.
    pub(crate) fn take(&self) -> Option<Slot> {
        let (state, changed) = &*self.0;
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |state: &mut State| state.free == 0 && !state.closed;
        let mut state = changed.wait_while(state, full).unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return None;
        }
        state.free -= 1;
        Some(Slot(self.clone()))
    }

    /// Gives no more places away.
    pub(crate) fn close(&self) {
        self.change(|state| state.closed = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let (state, changed) = &*self.0;
        change(&mut state.lock().unwrap_or_else(PoisonError::into_inner));
        changed.notify_all();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.change(|state| state.free += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_once_until_it_is_free_and_never_after_the_close() {
        let slots = Slots::new(NonZeroUsize::new(1));
        let first = slots.take().unwrap();
        let waiting = std::thread::spawn({
            let slots = slots.clone();
            move || slots.take().is_some()
        });
        drop(first);
        assert!(waiting.join().unwrap());
        slots.close();
        assert!(slots.take().is_none());
    }
}
