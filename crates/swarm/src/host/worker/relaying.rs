//! Being reached through others while nobody can connect to us (wire-protocol §1.3).
//!
//! Go's peers look for relays among the peers of the internet's table that are closest to them. Ours take connected
//! peers that relay: in a private swarm nobody else could.

use super::Worker;
use cluster_core::{Multiaddr, PeerId};
use libp2p::{
    core::transport::ListenerId,
    multiaddr::Protocol,
    relay::{self, HOP_PROTOCOL_NAME},
    swarm::StreamProtocol,
};
use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

/// Relays used at the same time.
const RELAYS: usize = 2;

/// Peers that relay kept in mind.
const MAX_CANDIDATES: usize = 64;

/// Time before a relay that refused or was lost is asked again.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// The relays known and used.
#[derive(Debug, Default)]
pub(super) struct Relaying {
    /// Others tried to connect to us and could not.
    needed: bool,
    candidates: BTreeMap<PeerId, Candidate>,
    used: HashMap<ListenerId, PeerId>,
}

#[derive(Debug)]
struct Candidate {
    /// Without `/p2p/`.
    address: Multiaddr,
    not_before: Option<Instant>,
}

impl Relaying {
    /// Forgets a listener; returns whether it was one at a relay.
    fn ended(&mut self, listener: ListenerId, now: Instant) -> bool {
        let Some(relay) = self.used.remove(&listener) else { return false };
        if let Some(candidate) = self.candidates.get_mut(&relay) {
            candidate.not_before = Some(now + AGAIN_AFTER);
        }
        true
    }

    /// Returns whom to ask, and where it is.
    fn next(&self, now: Instant) -> Option<(PeerId, Multiaddr)> {
        if !self.needed || self.used.len() >= RELAYS {
            return None;
        }
        let may = |(peer, candidate): &(&PeerId, &Candidate)| {
            candidate.not_before.is_none_or(|at| at <= now) && self.used.values().all(|used| used != *peer)
        };
        self.candidates.iter().find(may).map(|(peer, candidate)| (*peer, candidate.address.clone()))
    }
}

impl Worker {
    /// Notes what a connected peer at `address` speaks: one that relays may be of use.
    pub(super) fn note_relay(
        &mut self,
        peer: PeerId,
        protocols: &[StreamProtocol],
        address: Option<&Multiaddr>,
    ) {
        let candidates = &mut self.relaying.candidates;
        let address = address.filter(|_| protocols.contains(&HOP_PROTOCOL_NAME));
        let Some(address) = address else {
            candidates.remove(&peer);
            return;
        };
        if candidates.len() < MAX_CANDIDATES || candidates.contains_key(&peer) {
            let not_before = candidates.get(&peer).and_then(|known| known.not_before);
            candidates.insert(peer, Candidate { address: address.clone(), not_before });
        }
        self.use_relays(Instant::now());
    }

    /// Notes that a peer is connected no more; the listener at it ends by itself.
    pub(super) fn lose_relay(&mut self, peer: &PeerId) {
        self.relaying.candidates.remove(peer);
    }

    /// Notes whether others can connect to us.
    pub(super) fn need_relays(&mut self, needed: bool) {
        self.relaying.needed = needed;
        if needed {
            return self.use_relays(Instant::now());
        }
        for listener in self.relaying.used.keys() {
            self.swarm.remove_listener(*listener);
        }
    }

    /// Asks relays to take connections for us, as many as are wanted.
    pub(super) fn use_relays(&mut self, now: Instant) {
        while let Some((relay, address)) = self.relaying.next(now) {
            let there = address.with(Protocol::P2p(relay)).with(Protocol::P2pCircuit);
            match self.swarm.listen_on(there) {
                Ok(listener) => {
                    self.relaying.used.insert(listener, relay);
                }
                Err(error) => {
                    tracing::debug!(target: "swarm", %relay, %error, "a relay cannot be used");
                    self.relaying.candidates.remove(&relay);
                }
            }
        }
    }

    /// Notes that a listener has ended; returns whether it was one at a relay.
    pub(super) fn relay_ended(&mut self, listener: ListenerId) -> bool {
        self.relaying.ended(listener, Instant::now())
    }

    pub(super) fn on_relay(&mut self, event: &relay::client::Event) {
        if let relay::client::Event::ReservationReqAccepted { relay_peer_id: relay, renewal: false, .. } =
            event
        {
            tracing::info!(target: "swarm", %relay, "others reach this peer through a relay");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays_are_used_when_needed_and_left_alone_after_they_refused() {
        let now = Instant::now();
        let mut relaying = Relaying::default();
        let mut peers: Vec<PeerId> = (0..3).map(|_| PeerId::random()).collect();
        peers.sort_unstable();
        for peer in &peers {
            let address = "/ip4/192.0.2.1/tcp/9096".parse().unwrap();
            relaying.candidates.insert(*peer, Candidate { address, not_before: None });
        }
        assert_eq!(relaying.next(now), None);
        relaying.needed = true;
        let mut listeners = Vec::new();
        while let Some((peer, _)) = relaying.next(now) {
            let listener = ListenerId::next();
            relaying.used.insert(listener, peer);
            listeners.push((listener, peer));
        }
        assert_eq!(listeners.iter().map(|(_, peer)| *peer).collect::<Vec<_>>(), peers[..RELAYS]);
        assert!(relaying.ended(listeners[0].0, now));
        assert!(!relaying.ended(ListenerId::next(), now));
        assert_eq!(relaying.next(now).unwrap().0, peers[2]);
        relaying.candidates.remove(&peers[2]);
        assert_eq!(relaying.next(now), None);
        assert_eq!(relaying.next(now + AGAIN_AFTER).unwrap().0, peers[0]);
    }
}
