//! What the handles read and the worker writes.

use super::{address_book::AddressBook, counters::SwarmCounters};
use cluster_core::{Multiaddr, PeerId};
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::Notify;

/// Shared by the worker and all handles.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) own: PeerId,
    pub(super) counters: Arc<SwarmCounters>,
    /// Tells the worker that somebody was forgotten or allowed.
    pub(super) forgotten_changed: Notify,
    /// Tells the discovery that addresses of this peer changed.
    pub(super) addresses_changed: Notify,
    ready: AtomicBool,
    state: Mutex<State>,
}

/// Behind the lock, which is held for moments only.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) book: AddressBook,
    /// What this peer tells others, without `/p2p/`.
    pub(super) told: Vec<Multiaddr>,
    pub(super) listening: Vec<Multiaddr>,
    pub(super) forgotten: HashSet<PeerId>,
    /// Lines of the file of peers that name a domain.
    pub(super) domains: Vec<String>,
}

impl Shared {
    pub(super) fn new(own: PeerId) -> Self {
        Self {
            own,
            counters: Arc::default(),
            forgotten_changed: Notify::new(),
            addresses_changed: Notify::new(),
            ready: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock leaves it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}
