//! Whether reads of a peer's store are ready.

use cluster_core::mutate::{Mutation as Defect, active};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Two things have to hold: this peer has what it acknowledged or showed before, and no snapshot is half-way into its pinset.
#[derive(Debug, Clone)]
pub struct Readiness {
    known: Arc<Mutex<Known>>,
    told: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Known {
    is_recent: bool,
    is_whole: bool,
}

impl Default for Readiness {
    fn default() -> Self {
        let known = Known { is_recent: false, is_whole: true };
        Self { known: Arc::new(Mutex::new(known)), told: watch::Sender::new(false) }
    }
}

impl Readiness {
    /// Says whether the store has all that was acknowledged or shown before.
    pub(super) fn set_recent(&self, is_recent: bool) {
        self.change(|known| known.is_recent = is_recent);
    }

    /// Says whether the pinset is that of one place of the log. Before it is not, and after it is again.
    pub(super) fn set_whole(&self, is_whole: bool) {
        self.change(|known| known.is_whole = is_whole || active(Defect::ShowHalfInstalled));
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut known);
        // Under the lock: of two changes the later one is told last.
        let is_ready = known.is_recent && known.is_whole;
        self.told.send_if_modified(|told| std::mem::replace(told, is_ready) != is_ready);
    }

    pub(super) fn is_ready(&self) -> bool {
        *self.told.borrow()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<bool> {
        self.told.subscribe()
    }
}
