//! Whose turn it is to act for a pin that any trusted peer could act for: the closest one's at once, and the others' in
//! the order of their distance, in case that it does not act (api §10.6).

use cluster_core::{
    Cid, PeerId,
    closest::Closeness,
    ports::{Consensus, Network},
};
use std::{collections::HashSet, time::Duration};

/// How long to wait for each peer that is closer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    /// For a peer of this suite, which acts when it is time.
    pub(crate) ours: Duration,
    /// For any other, which acts when it looks next. A peer that is not connected counts as such.
    pub(crate) other: Duration,
}

/// The turns of this peer, as long as the members stay the same.
#[derive(Debug)]
pub(crate) struct Turns {
    closeness: Closeness,
    ours: HashSet<PeerId>,
    patience: Patience,
    longest: Duration,
}

impl Turns {
    /// Looks who could act now: this peer, and the trusted members.
    pub(crate) fn of(
        local: &PeerId,
        consensus: &dyn Consensus,
        network: &dyn Network,
        patience: Patience,
    ) -> Self {
        let mut others = consensus.members();
        others.retain(|peer| peer != local && consensus.is_trusted(peer));
        let ours = others.iter().copied().filter(|peer| network.is_ours(peer) == Some(true)).collect();
        let mut turns =
            Self { closeness: Closeness::new(local, &others), ours, patience, longest: Duration::ZERO };
        turns.longest = others.iter().map(|peer| turns.patience_with(peer)).sum();
        turns
    }

    fn patience_with(&self, peer: &PeerId) -> Duration {
        if self.ours.contains(peer) { self.patience.ours } else { self.patience.other }
    }

    /// Returns how long this peer waits for others before it acts for a CID.
    pub(crate) fn wait(&self, cid: &Cid) -> Duration {
        self.closeness.closer(cid).map(|peer| self.patience_with(peer)).sum()
    }

    /// Returns how long it takes until this peer has waited for all others.
    pub(crate) fn longest(&self) -> Duration {
        self.longest
    }
}
