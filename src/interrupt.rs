//! Ctrl-C, SIGTERM, SIGHUP: clean up, then die by that very signal, at once and without asking the
//! pumps. A signal that was ignored when we started stays ignored (nohup, a script's `&`).

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::os;

type Diversion = Box<dyn FnMut(i32) -> bool + Send>;
type Cleanups = Vec<(u64, Box<dyn FnMut() + Send>)>;

static CLEANUPS: Mutex<Cleanups> = Mutex::new(Vec::new());
/// Has a signal come that ends us?
static ARRIVED: AtomicBool = AtomicBool::new(false);
/// Does that take so long that any further one ends us at once?
static DYING: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
/// A second signal right behind the first (timeout(1) sends two) is no sign of impatience.
const GRACE: Duration = Duration::from_millis(100);

/// What a signal means where others have to end first.
static DIVERSION: Mutex<Option<Diversion>> = Mutex::new(None);

/// Something to do should a signal end us; forgotten when this is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Cleanup(u64);

/// Begins to listen for the signals that ask us to end.
pub(crate) fn watch() -> io::Result<()> {
    match ctrlc::try_set_handler(|| arrived(os::INTERRUPT)) {
        // Somebody else decided about SIGINT before we started, and that is respected.
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => {}
        Err(ctrlc::Error::System(error)) => return Err(error),
        Err(other) => return Err(io::Error::other(other)),
    }
    os::on_termination(&DYING, arrived)
}

/// Has `cleanup` called should a signal end us before the returned guard is dropped.
pub(crate) fn at_death(cleanup: impl FnMut() + Send + 'static) -> Cleanup {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = NEXT.fetch_add(1, SeqCst);
    CLEANUPS.lock().unwrap_or_else(PoisonError::into_inner).push((id, Box::new(cleanup)));
    Cleanup(id)
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        CLEANUPS.lock().unwrap_or_else(PoisonError::into_inner).retain(|(id, _)| *id != self.0);
    }
}

/// Has `take` asked first whenever a signal comes: true means that it is dealt with.
pub(crate) fn divert(take: impl FnMut(i32) -> bool + Send + 'static) {
    *DIVERSION.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(take));
}

fn arrived(signal: i32) {
    if let Some(take) = DIVERSION.lock().unwrap_or_else(PoisonError::into_inner).as_mut()
        && take(signal)
    {
        return;
    }
    if ARRIVED.swap(true, SeqCst) {
        return;
    }
    let impatient_now = || DYING.store(true, SeqCst);
    let impatient_soon = thread::Builder::new().spawn(move || {
        thread::sleep(GRACE);
        impatient_now();
    });
    if impatient_soon.is_err() {
        impatient_now();
    }
    for (_, cleanup) in CLEANUPS.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
        cleanup();
    }
    os::die_of_signal(signal)
}
