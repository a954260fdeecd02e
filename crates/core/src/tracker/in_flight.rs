//! The requests that run now, for those who show a status.

use super::Action;
use crate::{PinKey, TrackerStatus, UnixMillis, pinset::TrackerRow, ports::ipfs_connector::PinProgress};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

/// One running request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlightPin {
    /// Pin or unpin.
    pub action: Action,
    /// The revision it is made for.
    pub revision: u64,
    /// Since when.
    pub since: UnixMillis,
    /// How far it got.
    pub progress: PinProgress,
}

/// The running pin and unpin requests of this peer: at most as many as the tracker may start at once.
#[derive(Debug, Clone, Default)]
pub struct InFlight(Arc<RwLock<BTreeMap<PinKey, InFlightPin>>>);

impl InFlight {
    /// Notes that a request started.
    pub fn start(&self, key: PinKey, request: InFlightPin) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key, request);
    }

    /// Notes that the request made for one revision of a pin ended.
    pub fn end(&self, key: &PinKey, revision: u64) {
        let mut requests = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if requests.get(key).is_some_and(|request| request.revision == revision) {
            requests.remove(key);
        }
    }

    /// Notes how far the request of a pin got.
    pub fn progress(&self, key: &PinKey, progress: PinProgress) {
        if let Some(request) = self.0.write().unwrap_or_else(PoisonError::into_inner).get_mut(key) {
            request.progress = progress;
        }
    }

    /// Returns the running request of a pin.
    pub fn get(&self, key: &PinKey) -> Option<InFlightPin> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Returns all running requests, in key order.
    pub fn all(&self) -> BTreeMap<PinKey, InFlightPin> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the status that a row has while this request may be running for it.
    pub fn status(request: Option<&InFlightPin>, row: &TrackerRow) -> TrackerStatus {
        match request {
            Some(r) if r.revision == row.revision && r.action == Action::Pin && row.state.wants_pin() => {
                TrackerStatus::Pinning
            }
            Some(r) if r.revision == row.revision && r.action == Action::Unpin && row.state.wants_unpin() => {
                // A pin that became remote stays remote, whatever is being cleaned up.
                match row.state.status() {
                    TrackerStatus::Remote => TrackerStatus::Remote,
                    _ => TrackerStatus::Unpinning,
                }
            }
            _ => row.state.status(),
        }
    }
}
