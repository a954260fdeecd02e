//! What the swarm hears, handed to whoever it concerns.

use cluster_consensus::CrdtInbox;
use cluster_core::{
    Metric, PeerId,
    ports::{
        SwarmListener,
        swarm::{PeerEvent, Verdict},
    },
    trust::TrustSet,
};
use cluster_peer::{Informers, MetricsBoard};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::mpsc;

/// Receives the swarm's events.
pub(super) struct SwarmEvents {
    /// None with another consensus.
    pub(super) crdt: Option<CrdtInbox>,
    pub(super) board: MetricsBoard,
    pub(super) informers: Informers,
    pub(super) trust: Arc<TrustSet>,
    /// Connected peers of other suites.
    pub(super) foreign: ForeignPeers,
    /// Told of each peer of another suite that connects, unless too many wait.
    pub(super) foreign_came: mpsc::Sender<PeerId>,
    /// Peers that are not trusted and tell heads all the same.
    pub(super) untrusted: UntrustedPeers,
}

/// Names peers that are not trusted and tell heads all the same: followers do, and so do peers that somebody forgot to
/// list.
#[derive(Debug, Default)]
pub(super) struct UntrustedPeers(Mutex<BTreeSet<PeerId>>);

impl UntrustedPeers {
    /// Peers named in the log; any peer of the swarm can make up authors.
    const MOST: usize = 100;

    /// Tells of a peer, once.
    fn note(&self, peer: PeerId) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = told.len() < Self::MOST && told.insert(peer);
        if is_new {
            tracing::info!(
                target: "cluster", %peer,
                "what this peer says of the pinset is not taken: it is not trusted here. If it is no follower, add it to \
                 consensus.crdt.trusted_peers"
            );
        }
        is_new
    }
}

/// Knows whether peers of other suites are connected.
#[derive(Debug, Default)]
pub(super) struct ForeignPeers(Mutex<BTreeSet<PeerId>>);

impl ForeignPeers {
    /// Takes note of an event; says whether there is one now, when that changed.
    fn on_peer(&self, event: PeerEvent) -> Option<bool> {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = peers.is_empty();
        match event {
            PeerEvent::Identified { peer, ours: false } => drop(peers.insert(peer)),
            PeerEvent::Identified { peer, ours: true } | PeerEvent::Disconnected(peer) => {
                peers.remove(&peer);
            }
            PeerEvent::Connected(_) | PeerEvent::ListensToMetrics(_) => {}
        }
        (peers.is_empty() != before).then_some(before)
    }
}

impl SwarmListener for SwarmEvents {
    fn on_heads(&self, author: PeerId, payload: &[u8]) -> Verdict {
        let Some(crdt) = &self.crdt else { return Verdict::Ignore };
        if !self.trust.is_trusted(&author) && !self.trust.is_forgotten(&author) {
            self.untrusted.note(author);
        }
        crdt.on_heads(author, payload)
    }

    fn on_metric(&self, metric: Metric) -> Verdict {
        if self.trust.is_forgotten(&metric.peer) {
            return Verdict::Reject;
        }
        self.board.on_metric(metric)
    }

    fn on_peer(&self, event: PeerEvent) {
        if let Some(crdt) = &self.crdt {
            if let Some(connected) = self.foreign.on_peer(event) {
                crdt.on_slow_peers(connected);
            }
            match event {
                PeerEvent::Identified { peer, ours: true } => crdt.on_peer_of_ours(peer),
                PeerEvent::Identified { peer, ours: false } => drop(self.foreign_came.try_send(peer)),
                PeerEvent::Disconnected(peer) => crdt.on_disconnected(peer),
                _ => {}
            }
        }
        self.informers.on_peer(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_peers_are_named_once_and_not_without_end() {
        let (untrusted, peer) = (UntrustedPeers::default(), PeerId::random());
        assert!(untrusted.note(peer) && !untrusted.note(peer));
        let named = (0..1000).filter(|_| untrusted.note(PeerId::random())).count();
        assert_eq!(named, UntrustedPeers::MOST - 1);
    }

    #[test]
    fn foreign_peers_are_those_connected_now() {
        let foreign = ForeignPeers::default();
        let [ours, one, two] = [PeerId::random(), PeerId::random(), PeerId::random()];
        assert_eq!(foreign.on_peer(PeerEvent::Identified { peer: ours, ours: true }), None);
        assert_eq!(foreign.on_peer(PeerEvent::Identified { peer: one, ours: false }), Some(true));
        assert_eq!(foreign.on_peer(PeerEvent::Identified { peer: two, ours: false }), None);
        assert_eq!(foreign.on_peer(PeerEvent::Disconnected(one)), None);
        // Replaced by a peer of this suite with the same identity.
        assert_eq!(foreign.on_peer(PeerEvent::Identified { peer: two, ours: true }), Some(false));
    }
}
