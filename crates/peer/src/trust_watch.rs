//! Notices members that do not trust this peer: what is pinned here would never reach them.

use crate::MetricsBoard;
use cluster_core::{
    Cid, PeerId, PinKey,
    ports::{PeerSet, Rpc, rpc::CallError},
    trust::TrustSet,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Attempts with one member; after that it is left alone until it comes back.
const ATTEMPTS: u32 = 5;

/// Asks each member that this peer trusts, once each time it comes, for something that only trusted peers are told.
pub struct TrustWatch {
    /// This peer.
    pub local: PeerId,
    /// Whom this peer trusts.
    pub trust: Arc<TrustSet>,
    /// Who the members are.
    pub metrics: MetricsBoard,
    /// Asks them.
    pub rpc: Arc<dyn Rpc>,
    /// Time between two looks for new members.
    pub interval: Duration,
}

/// What is known of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Trusts,
    Refuses,
    /// It could not be asked.
    None,
}

impl TrustWatch {
    /// Asks members until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let work = async {
            let mut asked = Asked::default();
            loop {
                self.look(&mut asked).await;
                tokio::time::sleep(self.interval).await;
            }
        };
        stop.run_until_cancelled(work).await;
    }

    async fn look(&self, asked: &mut Asked) {
        let members = self.metrics.members();
        asked.retain(&members);
        for peer in members.into_iter().filter(|peer| *peer != self.local && self.trust.is_trusted(peer)) {
            if asked.is_wanted(&peer) && asked.note(peer, self.ask(peer).await) {
                tracing::warn!(
                    target: "cluster", %peer,
                    "this peer trusts a member that does not trust it: pins and unpins made here do not reach that \
                     member. Add this peer's ID to trusted_peers there (consensus.crdt.trusted_peers)"
                );
            }
        }
    }

    async fn ask(&self, peer: PeerId) -> Answer {
        match self.rpc.peer(peer).status(PinKey::from_cid(&nothing())).await {
            Err(CallError::Refused { .. }) => Answer::Refuses,
            // An error of the method itself: it was allowed.
            Ok(_) | Err(CallError::Failed { .. }) => Answer::Trusts,
            Err(_) => Answer::None,
        }
    }
}

/// A CID that nobody pins: that of no bytes at all.
fn nothing() -> Cid {
    const RAW: u64 = 0x55;
    Cid::new_v1(RAW, *Cid::default().hash())
}

/// Members that were asked, and how often in vain.
#[derive(Debug, Default)]
struct Asked {
    answered: BTreeSet<PeerId>,
    tried: BTreeMap<PeerId, u32>,
    told: BTreeSet<PeerId>,
}

impl Asked {
    /// Forgets who is no member any more; whoever comes again may have another configuration.
    fn retain(&mut self, members: &[PeerId]) {
        self.answered.retain(|peer| members.contains(peer));
        self.tried.retain(|peer, _| members.contains(peer));
        self.told.retain(|peer| members.contains(peer));
    }

    fn is_wanted(&self, peer: &PeerId) -> bool {
        !self.answered.contains(peer)
    }

    /// Notes an answer; says whether it is to be told.
    fn note(&mut self, peer: PeerId, answer: Answer) -> bool {
        let tried = self.tried.entry(peer).or_default();
        *tried += 1;
        if answer != Answer::None || *tried >= ATTEMPTS {
            self.tried.remove(&peer);
            self.answered.insert(peer);
        }
        answer == Answer::Refuses && self.told.insert(peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_asked_until_it_answers_and_again_when_it_comes_back() {
        let (mut asked, peer) = (Asked::default(), PeerId::random());
        assert!(asked.is_wanted(&peer));
        assert!(!asked.note(peer, Answer::None) && asked.is_wanted(&peer));
        assert!(asked.note(peer, Answer::Refuses) && !asked.is_wanted(&peer));
        asked.retain(&[]);
        assert!(asked.is_wanted(&peer));
        assert!(!asked.note(peer, Answer::Trusts) && !asked.is_wanted(&peer));
        let silent = PeerId::random();
        for _ in 0..ATTEMPTS {
            assert!(asked.is_wanted(&silent));
            assert!(!asked.note(silent, Answer::None));
        }
        assert!(!asked.is_wanted(&silent));
    }

    #[test]
    fn the_cid_of_nothing_is_well_formed() {
        assert_eq!(nothing().to_string(), "bafkqaaa");
    }
}
