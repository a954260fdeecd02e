//! Texts of peers and addresses that repeat from line to line.

use crate::text::{AddrText, PeerText};
use cluster_core::{Multiaddr, PeerId};
use std::collections::HashMap;

/// Peers and addresses remembered; past it the cache starts anew. A cluster has far fewer.
const CAPACITY: usize = 4096;

/// Remembers the texts of peer IDs and addresses: writing one takes about as long as the rest of its line, and a
/// listing names the same few again and again. One per stream.
#[derive(Debug, Default)]
pub struct TextCache {
    peers: HashMap<PeerId, PeerText>,
    addresses: HashMap<Multiaddr, AddrText>,
}

impl TextCache {
    /// Returns the text of `peer`.
    pub fn peer(&mut self, peer: &PeerId) -> PeerText {
        if let Some(text) = self.peers.get(peer) {
            return text.clone();
        }
        if self.peers.len() >= CAPACITY {
            self.peers.clear();
        }
        let text = PeerText::from(peer);
        self.peers.insert(*peer, text.clone());
        text
    }

    /// Returns the text of `address`.
    pub fn address(&mut self, address: &Multiaddr) -> AddrText {
        if let Some(text) = self.addresses.get(address) {
            return text.clone();
        }
        if self.addresses.len() >= CAPACITY {
            self.addresses.clear();
        }
        let text = AddrText::from(address);
        self.addresses.insert(address.clone(), text.clone());
        text
    }

    /// Returns the texts of `peers`, in their order.
    pub fn peers(&mut self, peers: &[PeerId]) -> Vec<PeerText> {
        peers.iter().map(|p| self.peer(p)).collect()
    }

    /// Returns the texts of `addresses`, in their order.
    pub fn addresses(&mut self, addresses: &[Multiaddr]) -> Vec<AddrText> {
        addresses.iter().map(|a| self.address(a)).collect()
    }
}
