//! What is known of other peers: where they are, how much they matter, whether they are connected.

use super::{own_addresses::without_peer, routing};
use cluster_core::{Multiaddr, PeerId, ports::swarm::KnownPeer};
use libp2p::multiaddr::Protocol;
use std::collections::{HashMap, HashSet};

/// Peers known; the one not seen for longest gives way, configured ones and connected ones, whose number is bounded
/// elsewhere, stay.
const MAX_PEERS: usize = 1000;

/// Addresses kept of one peer; the newest stay, configured ones before learned ones.
pub(super) const MAX_ADDRESSES: usize = 16;

/// Rank of peers nobody ranked, and of those that could not be reached.
pub(super) const LAST: u32 = 9999;

/// The peers known (wire-protocol §6, §7.2).
#[derive(Debug, Default)]
pub(super) struct AddressBook {
    peers: HashMap<PeerId, Entry>,
    protected: HashSet<PeerId>,
    /// Grows with each sighting: orders peers by when they were seen last.
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    /// Given by configuration, file or callers.
    given: Vec<Multiaddr>,
    /// Said by the peer itself.
    learned: Vec<Multiaddr>,
    /// Where it was reached last, which it need not say itself.
    reached: Option<Multiaddr>,
    rank: u32,
    configured: bool,
    connected: bool,
    ours: Option<bool>,
    seen: u64,
}

impl Entry {
    fn has_addresses(&self) -> bool {
        !self.given.is_empty() || !self.learned.is_empty() || self.reached.is_some()
    }
}

impl AddressBook {
    /// Notes addresses of a peer as given from outside. Returns whether any was new.
    pub(super) fn give(
        &mut self,
        peer: PeerId,
        addresses: &[Multiaddr],
        rank: u32,
        configured: bool,
    ) -> bool {
        if addresses.is_empty() {
            return false;
        }
        let Some(entry) = self.entry(peer, false) else { return false };
        entry.rank = entry.rank.min(rank);
        entry.configured |= configured;
        let mut changed = false;
        for address in addresses.iter().filter(|address| routing::is_plain(address)).map(without_peer) {
            if !entry.given.contains(&address) {
                entry.given.push(address);
                changed = true;
            }
        }
        let excess = entry.given.len().saturating_sub(MAX_ADDRESSES);
        entry.given.drain(..excess);
        changed
    }

    /// Replaces what a peer said of itself.
    pub(super) fn learn(&mut self, peer: PeerId, listed: &[Multiaddr]) {
        if let Some(entry) = self.entry(peer, false) {
            let plain = listed.iter().filter(|address| routing::is_plain(address));
            entry.learned = plain.take(MAX_ADDRESSES).map(without_peer).collect();
        }
    }

    /// Notes the first connection to a peer, and the address that led to it if we dialled.
    pub(super) fn connected(&mut self, peer: PeerId, dialled: Option<&Multiaddr>) {
        let Some(entry) = self.entry(peer, true) else { return };
        entry.connected = true;
        if let Some(address) = dialled {
            entry.reached = Some(without_peer(address));
        }
    }

    /// Notes that the last connection to a peer is gone.
    pub(super) fn disconnected(&mut self, peer: &PeerId) {
        self.clock += 1;
        let now = self.clock;
        let Some(entry) = self.peers.get_mut(peer) else { return };
        (entry.connected, entry.ours, entry.seen) = (false, None, now);
        if !entry.has_addresses() {
            self.peers.remove(peer);
        }
    }

    /// Notes whether a connected peer is one of this suite; returns whether that is news.
    pub(super) fn identified(&mut self, peer: &PeerId, ours: bool) -> bool {
        match self.peers.get_mut(peer) {
            Some(entry) if entry.connected => entry.ours.replace(ours) != Some(ours),
            _ => false,
        }
    }

    /// Ranks a peer last that could not be reached, unless the configuration names it.
    pub(super) fn failed(&mut self, peer: &PeerId) {
        let protected = self.protected.contains(peer);
        if let Some(entry) = self.peers.get_mut(peer)
            && !entry.configured
            && !protected
        {
            entry.rank = LAST;
        }
    }

    /// Drops a peer's addresses.
    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.protected.remove(peer);
        if let Some(entry) = self.peers.get_mut(peer) {
            if entry.connected {
                // The entry lives until its connections are closed; nothing leads back to the peer.
                (entry.given, entry.learned, entry.reached) = (Vec::new(), Vec::new(), None);
                (entry.configured, entry.rank) = (false, LAST);
            } else {
                self.peers.remove(peer);
            }
        }
    }

    /// Keeps these peers, and ranks them first.
    pub(super) fn protect(&mut self, peers: Vec<PeerId>) {
        for peer in &peers {
            if let Some(entry) = self.peers.get_mut(peer) {
                entry.rank = 0;
            }
        }
        self.protected.extend(peers);
    }

    /// Says whether connections to a peer stay when there are too many.
    pub(super) fn is_kept(&self, peer: &PeerId) -> bool {
        self.protected.contains(peer) || self.peers.get(peer).is_some_and(|entry| entry.configured)
    }

    pub(super) fn is_connected(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|entry| entry.connected)
    }

    /// Says whether a connected peer is one of this suite.
    pub(super) fn ours(&self, peer: &PeerId) -> Option<bool> {
        self.peers.get(peer)?.ours
    }

    /// Returns every address that may lead to a peer, without `/p2p/`.
    pub(super) fn ways_to(&self, peer: &PeerId) -> Vec<Multiaddr> {
        let Some(entry) = self.peers.get(peer) else { return Vec::new() };
        let mut ways: Vec<Multiaddr> = Vec::new();
        for address in entry.reached.iter().chain(&entry.given).chain(&entry.learned) {
            if ways.len() < MAX_ADDRESSES && !ways.contains(address) {
                ways.push(address.clone());
            }
        }
        ways
    }

    /// Returns the addresses of a peer as others are told, sorted, each ending in `/p2p/<id>`: when it has names,
    /// only those.
    pub(super) fn addresses_of(&self, peer: &PeerId) -> Vec<Multiaddr> {
        let mut ways = self.ways_to(peer);
        if ways.iter().any(routing::is_dns) {
            ways.retain(routing::is_dns);
        }
        ways.sort_by_cached_key(Multiaddr::to_string);
        ways.into_iter().map(|address| address.with(Protocol::P2p(*peer))).collect()
    }

    /// Lists every peer, sorted by binary ID.
    pub(super) fn known(&self) -> Vec<KnownPeer> {
        let mut known: Vec<KnownPeer> = self
            .peers
            .iter()
            .map(|(id, entry)| KnownPeer { id: *id, connected: entry.connected, ours: entry.ours })
            .collect();
        known.sort_by_cached_key(|peer| peer.id.to_bytes());
        known
    }

    /// Lists the peers with addresses, the first ranks first.
    pub(super) fn ranked(&self) -> Vec<PeerId> {
        let mut ranked: Vec<(u32, Vec<u8>, PeerId)> = self
            .peers
            .iter()
            .filter(|(_, entry)| entry.has_addresses())
            .map(|(peer, entry)| (entry.rank, peer.to_bytes(), *peer))
            .collect();
        ranked.sort();
        ranked.into_iter().map(|(_, _, peer)| peer).collect()
    }

    /// Lists the peers the configuration names.
    pub(super) fn configured(&self) -> Vec<PeerId> {
        self.peers.iter().filter(|(_, entry)| entry.configured).map(|(peer, _)| *peer).collect()
    }

    /// Finds or makes an entry and marks it as just seen; `None` when there is no room and none must be made.
    fn entry(&mut self, peer: PeerId, must: bool) -> Option<&mut Entry> {
        self.clock += 1;
        if !self.peers.contains_key(&peer) {
            if self.peers.len() >= MAX_PEERS {
                let protected = &self.protected;
                let movable = self
                    .peers
                    .iter()
                    .filter(|(id, entry)| !entry.connected && !entry.configured && !protected.contains(id));
                match movable.min_by_key(|(_, entry)| entry.seen).map(|(id, _)| *id) {
                    Some(oldest) => _ = self.peers.remove(&oldest),
                    None if must => {}
                    None => return None,
                }
            }
            let rank = if self.protected.contains(&peer) { 0 } else { LAST };
            self.peers.insert(
                peer,
                Entry {
                    given: Vec::new(),
                    learned: Vec::new(),
                    reached: None,
                    rank,
                    configured: false,
                    connected: false,
                    ours: None,
                    seen: self.clock,
                },
            );
        }
        let entry = self.peers.get_mut(&peer)?;
        entry.seen = self.clock;
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn names_hide_the_other_addresses_of_a_peer() {
        let (mut book, peer) = (AddressBook::default(), PeerId::random());
        book.give(peer, &[address("/ip4/1.2.3.4/tcp/1")], 5, false);
        assert_eq!(book.addresses_of(&peer), [address("/ip4/1.2.3.4/tcp/1").with(Protocol::P2p(peer))]);
        book.learn(peer, &[address("/dns4/a.example/tcp/1"), address("/ip4/1.2.3.5/tcp/1")]);
        assert_eq!(book.addresses_of(&peer), [address("/dns4/a.example/tcp/1").with(Protocol::P2p(peer))]);
        assert_eq!(book.ways_to(&peer).len(), 3);
    }

    #[test]
    fn where_a_peer_was_reached_outlives_what_it_says() {
        let (mut book, peer) = (AddressBook::default(), PeerId::random());
        book.connected(peer, Some(&address("/ip4/1.2.3.4/tcp/1").with(Protocol::P2p(peer))));
        book.learn(peer, &[address("/ip4/10.0.0.1/tcp/1")]);
        book.disconnected(&peer);
        assert_eq!(book.ways_to(&peer), [address("/ip4/1.2.3.4/tcp/1"), address("/ip4/10.0.0.1/tcp/1")]);
        assert_eq!(book.ours(&peer), None);
        let stranger = PeerId::random();
        book.connected(stranger, None);
        book.disconnected(&stranger);
        assert_eq!(book.known().len(), 1, "nothing leads to the stranger");
    }

    #[test]
    fn the_book_is_bounded_and_keeps_who_matters() {
        let mut book = AddressBook::default();
        let (configured, protected, connected) = (PeerId::random(), PeerId::random(), PeerId::random());
        book.give(configured, &[address("/ip4/1.1.1.1/tcp/1")], 0, true);
        book.protect(vec![protected]);
        book.give(protected, &[address("/ip4/1.1.1.1/tcp/2")], LAST, false);
        book.connected(connected, None);
        for _ in 0..2 * MAX_PEERS {
            book.give(PeerId::random(), &[address("/ip4/1.1.1.1/tcp/3")], 7, false);
        }
        assert_eq!(book.known().len(), MAX_PEERS);
        assert!(book.is_connected(&connected));
        assert_eq!(
            book.ranked()[..2].iter().collect::<HashSet<_>>(),
            HashSet::from([&configured, &protected])
        );
    }

    #[test]
    fn an_address_that_would_become_two_lines_of_a_file_is_not_taken() {
        let (mut book, peer) = (AddressBook::default(), PeerId::random());
        let forged = format!("a\n/ip4/6.6.6.6/tcp/1/p2p/{}", PeerId::random());
        for name in [forged.as_str(), "a/tcp/1", "a b", "a\u{7f}"] {
            let bad = [Multiaddr::empty().with(Protocol::Dns4(name.into())).with(Protocol::Tcp(1))];
            book.learn(peer, &bad);
            assert!(!book.give(peer, &bad, 0, false), "{name}");
            assert!(book.ways_to(&peer).is_empty(), "{name}");
        }
    }

    #[test]
    fn addresses_of_one_peer_are_bounded() {
        let (mut book, peer) = (AddressBook::default(), PeerId::random());
        for port in 1..200 {
            book.give(peer, &[address(&format!("/ip4/1.1.1.1/tcp/{port}"))], 0, false);
        }
        let listed: Vec<Multiaddr> =
            (1..200).map(|port| address(&format!("/ip4/2.2.2.2/tcp/{port}"))).collect();
        book.learn(peer, &listed);
        assert_eq!(book.ways_to(&peer).len(), MAX_ADDRESSES);
        assert!(book.ways_to(&peer).contains(&address("/ip4/1.1.1.1/tcp/199")));
    }

    #[test]
    fn ranks_fall_with_failures_except_of_configured_peers() {
        let mut book = AddressBook::default();
        let (a, b, c) = (PeerId::random(), PeerId::random(), PeerId::random());
        book.give(a, &[address("/ip4/1.1.1.1/tcp/1")], 0, true);
        book.give(b, &[address("/ip4/1.1.1.1/tcp/2")], 1, false);
        book.give(c, &[address("/ip4/1.1.1.1/tcp/3")], 2, false);
        book.failed(&a);
        book.failed(&b);
        assert_eq!(book.ranked(), [a, c, b]);
        book.forget(&a);
        assert_eq!(book.ranked(), [c, b]);
    }
}
