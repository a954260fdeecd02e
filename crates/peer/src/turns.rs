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
    /// Makes the turns of `local` among `others`, of which `ours` are of this suite.
    fn new(local: &PeerId, others: &[PeerId], ours: HashSet<PeerId>, patience: Patience) -> Self {
        let mut turns =
            Self { closeness: Closeness::new(local, others), ours, patience, longest: Duration::ZERO };
        turns.longest = others.iter().map(|peer| turns.patience_with(peer)).sum();
        turns
    }

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
        Self::new(local, &others, ours, patience)
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_acts_at_once_and_each_other_waits_for_those_that_are_closer() {
        let patience = Patience { ours: Duration::from_secs(1), other: Duration::from_secs(330) };
        let peers: Vec<PeerId> = (0..6).map(|_| PeerId::random()).collect();
        // Half of them are of the Go suite.
        let ours: HashSet<PeerId> = peers[..3].iter().copied().collect();
        let cid: Cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy".parse().unwrap();
        let mut waits: Vec<(Duration, PeerId)> = peers
            .iter()
            .map(|local| {
                let others: Vec<PeerId> = peers.iter().copied().filter(|peer| peer != local).collect();
                let turns = Turns::new(local, &others, ours.clone(), patience);
                assert!(turns.wait(&cid) <= turns.longest());
                (turns.wait(&cid), *local)
            })
            .collect();
        waits.sort_by_key(|(wait, _)| *wait);
        assert_eq!(waits[0].0, Duration::ZERO);
        for pair in waits.windows(2) {
            let (before, after) = (pair[0], pair[1]);
            let expected = if ours.contains(&before.1) { patience.ours } else { patience.other };
            assert_eq!(after.0 - before.0, expected);
        }
    }
}
