//! Who is trusted (wire-protocol §4.14), and who was forgotten.

use libp2p_identity::PeerId;
use std::{
    collections::BTreeSet,
    io,
    sync::{PoisonError, RwLock},
};

/// Whose changes are merged, by configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Everyone's.
    Everyone,
    /// This peer's and those of the peers named.
    Only(BTreeSet<PeerId>),
}

/// Keeps the list of forgotten peers over restarts.
pub trait ForgottenPeers: Send + Sync + 'static {
    /// Replaces the stored list; durable when it returns. Blocks.
    ///
    /// # Errors
    /// When the list could not be written; the old one stands.
    fn save(&self, peers: &BTreeSet<PeerId>) -> io::Result<()>;
}

/// Answers who is trusted now.
pub struct TrustSet {
    local: PeerId,
    trust: Trust,
    forgotten: RwLock<BTreeSet<PeerId>>,
    list: Option<Box<dyn ForgottenPeers>>,
}

impl std::fmt::Debug for TrustSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrustSet").field("trust", &self.trust).finish_non_exhaustive()
    }
}

impl TrustSet {
    /// Takes what is configured and what was forgotten in earlier runs.
    pub fn new(
        local: PeerId,
        trust: Trust,
        forgotten: BTreeSet<PeerId>,
        list: Box<dyn ForgottenPeers>,
    ) -> Self {
        Self { local, trust, forgotten: RwLock::new(forgotten), list: Some(list) }
    }

    /// Makes a set that cannot forget: without a folder nothing would remember it.
    pub fn fixed(local: PeerId, trust: Trust) -> Self {
        Self { local, trust, forgotten: RwLock::default(), list: None }
    }

    /// Says whether a peer may change the pinset and use trusted methods.
    pub fn is_trusted(&self, peer: &PeerId) -> bool {
        let listed = match &self.trust {
            Trust::Everyone => true,
            Trust::Only(peers) => peers.contains(peer),
        };
        *peer == self.local || (listed && !self.is_forgotten(peer))
    }

    /// Says whether a peer was forgotten.
    pub fn is_forgotten(&self, peer: &PeerId) -> bool {
        self.forgotten.read().unwrap_or_else(PoisonError::into_inner).contains(peer)
    }

    /// Lists the forgotten peers.
    pub fn forgotten(&self) -> Vec<PeerId> {
        self.forgotten.read().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Lists the peers trusted by name; empty when everyone is.
    pub fn named(&self) -> Vec<PeerId> {
        match &self.trust {
            Trust::Everyone => Vec::new(),
            Trust::Only(peers) => peers.iter().copied().collect(),
        }
    }

    /// Forgets a peer (`true`), or takes that back. Durable when it returns; blocks.
    ///
    /// # Errors
    /// When the list could not be written; nothing changed.
    pub fn set_forgotten(&self, peer: PeerId, forgotten: bool) -> io::Result<()> {
        let mut current = self.forgotten.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = current.clone();
        let changed = if forgotten { next.insert(peer) } else { next.remove(&peer) };
        if changed {
            self.list.as_ref().ok_or(io::ErrorKind::Unsupported)?.save(&next)?;
            *current = next;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct List(bool);

    impl ForgottenPeers for List {
        fn save(&self, _: &BTreeSet<PeerId>) -> io::Result<()> {
            if self.0 { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
        }
    }

    #[test]
    fn a_forgotten_peer_is_not_trusted_until_it_is_taken_back() {
        let [local, listed, other] = [PeerId::random(), PeerId::random(), PeerId::random()];
        let only = Trust::Only([listed].into());
        let set = TrustSet::new(local, only, BTreeSet::new(), Box::new(List(true)));
        assert_eq!([local, listed, other].map(|p| set.is_trusted(&p)), [true, true, false]);
        set.set_forgotten(listed, true).unwrap();
        assert!(!set.is_trusted(&listed) && set.is_forgotten(&listed));
        set.set_forgotten(listed, false).unwrap();
        assert!(set.is_trusted(&listed));
        let all = TrustSet::new(local, Trust::Everyone, [other].into(), Box::new(List(true)));
        assert_eq!([local, listed, other].map(|p| all.is_trusted(&p)), [true, true, false]);
    }

    #[test]
    fn what_could_not_be_written_did_not_happen() {
        let [local, other] = [PeerId::random(), PeerId::random()];
        let set = TrustSet::new(local, Trust::Everyone, BTreeSet::new(), Box::new(List(false)));
        assert!(set.set_forgotten(other, true).is_err());
        assert!(set.is_trusted(&other));
    }
}
