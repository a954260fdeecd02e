//! How many streams may be open.

use crate::host::{bandwidth::Flow, counters::SwarmCounters};
use libp2p::StreamProtocol;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Streams all peers may have open to us; what comes above is reset and counted. A stream that nobody reads holds up to
/// 256 KiB.
const MAX_INBOUND: usize = 4096;

/// A peer may have open, over all its connections, this part of the places that are free, so that one alone takes few
/// from the others.
const SHARE_OF_FREE: usize = 16;

/// Streams a peer may have open even when the others have taken all places. The limit of connections bounds them.
const ALWAYS: usize = 8;

/// Streams to one peer that may be open or wait for its answer; more are refused and counted. Together with those
/// of the peer they stay below what closes the connection.
const MAX_OUTBOUND_PER_PEER: usize = 256;

/// What all peers share.
#[derive(Debug)]
pub(super) struct Budget {
    inbound: AtomicUsize,
    counters: Arc<SwarmCounters>,
}

/// What the connections of one peer share.
#[derive(Debug)]
pub(super) struct PeerBudget {
    inbound: AtomicUsize,
    outbound: AtomicUsize,
    all: Arc<Budget>,
}

impl Budget {
    pub(super) fn new(counters: Arc<SwarmCounters>) -> Arc<Self> {
        Arc::new(Self { inbound: AtomicUsize::new(0), counters })
    }

    pub(super) fn peer(self: &Arc<Self>) -> Arc<PeerBudget> {
        Arc::new(PeerBudget {
            inbound: AtomicUsize::new(0),
            outbound: AtomicUsize::new(0),
            all: self.clone(),
        })
    }
}

impl PeerBudget {
    /// Returns how many streams from and to the peer are open or being opened.
    pub(super) fn in_use(&self) -> usize {
        self.inbound.load(Ordering::Relaxed) + self.outbound.load(Ordering::Relaxed)
    }

    /// Returns what counts the bytes of a protocol's streams.
    pub(super) fn flow(&self, protocol: &StreamProtocol) -> Arc<Flow> {
        self.all.counters.bandwidth.of(protocol)
    }

    /// Takes a place for a stream of the peer; `None` when all are taken.
    pub(super) fn take_inbound(self: &Arc<Self>) -> Option<Place> {
        let free = MAX_INBOUND.saturating_sub(self.all.inbound.load(Ordering::Relaxed));
        if take(&self.inbound, ALWAYS.max(free / SHARE_OF_FREE)) {
            self.all.inbound.fetch_add(1, Ordering::Relaxed);
            return Some(Place { budget: self.clone(), inbound: true });
        }
        self.all.counters.dropped_inbound_streams.increase();
        None
    }

    /// Takes a place for a stream to the peer; `None` when all are taken.
    pub(super) fn take_outbound(self: &Arc<Self>) -> Option<Place> {
        if take(&self.outbound, MAX_OUTBOUND_PER_PEER) {
            return Some(Place { budget: self.clone(), inbound: false });
        }
        self.all.counters.refused_outbound_streams.increase();
        None
    }
}

fn take(places: &AtomicUsize, limit: usize) -> bool {
    places.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < limit).then_some(n + 1)).is_ok()
}

/// A place of a stream; given back when dropped.
#[derive(Debug)]
pub(in crate::host) struct Place {
    budget: Arc<PeerBudget>,
    inbound: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.inbound {
            self.budget.inbound.fetch_sub(1, Ordering::Relaxed);
            self.budget.all.inbound.fetch_sub(1, Ordering::Relaxed);
        } else {
            self.budget.outbound.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_all(peer: &Arc<PeerBudget>) -> Vec<Place> {
        std::iter::from_fn(|| peer.take_inbound()).collect()
    }

    #[test]
    fn a_crowd_that_takes_all_it_can_leaves_places_for_others() {
        let budget = Budget::new(Arc::default());
        let alone = take_all(&budget.peer());
        assert!((200..=256).contains(&alone.len()), "{}", alone.len());
        let crowd: Vec<Vec<Place>> = (0..300).map(|_| take_all(&budget.peer())).collect();
        let taken: usize = crowd.iter().map(Vec::len).sum();
        assert!(taken + alone.len() <= MAX_INBOUND + 300 * ALWAYS, "{taken}");
        let honest = budget.peer();
        let places = take_all(&honest);
        assert_eq!(places.len(), ALWAYS);
        drop((alone, crowd));
        assert!(take_all(&honest).len() > 200);
        drop(places);
        assert_eq!((honest.in_use(), budget.inbound.load(Ordering::Relaxed)), (0, 0));
    }
}
