//! How many calls may run at once.

use cluster_core::PeerId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Calls of one peer at once. What comes beyond is dropped and counted.
pub(super) const CALLS_PER_PEER: usize = 64;

/// Calls of all peers at once. What comes beyond is dropped and counted.
pub(super) const CALLS_IN_TOTAL: usize = 512;

/// Counts the calls that run.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots {
    running: Arc<Mutex<Running>>,
}

#[derive(Debug, Default)]
struct Running {
    total: usize,
    by_peer: HashMap<PeerId, usize>,
}

/// Allows one call; dropping it lets the next one in.
#[derive(Debug)]
pub(super) struct Slot {
    peer: PeerId,
    slots: Slots,
}

impl Slots {
    /// Allows a call of `peer`; `None` when too many run.
    pub(super) fn take(&self, peer: PeerId) -> Option<Slot> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.total >= CALLS_IN_TOTAL || running.by_peer.get(&peer).is_some_and(|n| *n >= CALLS_PER_PEER)
        {
            return None;
        }
        running.total += 1;
        *running.by_peer.entry(peer).or_default() += 1;
        Some(Slot { peer, slots: self.clone() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut running = self.slots.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.total -= 1;
        if let Some(count) = running.by_peer.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                running.by_peer.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_and_all_together_are_bounded_and_slots_come_back() {
        let slots = Slots::default();
        let peer = PeerId::random();
        let mut held: Vec<Slot> = (0..CALLS_PER_PEER).map(|_| slots.take(peer).unwrap()).collect();
        assert!(slots.take(peer).is_none());
        while held.len() < CALLS_IN_TOTAL {
            held.push(slots.take(PeerId::random()).unwrap());
        }
        assert!(slots.take(PeerId::random()).is_none());
        held.clear();
        assert!(slots.running.lock().unwrap().by_peer.is_empty());
        assert!(slots.take(peer).is_some());
    }
}
