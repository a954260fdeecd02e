//! Whom to tell our heads without the gossip, and when.
//!
//! The gossip loses messages, and members that pass nothing on can crowd honest ones out of a peer's mesh. So whatever
//! was announced is soon told once more, straight to peers of this suite, and asked for in return.

use cluster_core::PeerId;
use std::collections::{BTreeMap, btree_map::Entry};

/// Calls at once.
const CALLS: usize = 8;

/// How many of them may be to peers that have not answered the last one, or none yet. The others stay free for those that
/// do answer, however many are silent.
const CALLS_TO_UNPROVEN: usize = 4;

/// Peers kept; with more, the broadcast of heads has to do.
const MAX_PEERS: usize = 1024;

/// Peers told in one round of news.
const PEERS_PER_ROUND: usize = 32;

/// The connected peers of this suite whose heads are taken.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    peers: BTreeMap<PeerId, Partner>,
    /// Counts up with each call.
    calls: u64,
    news: bool,
}

#[derive(Debug, Default)]
struct Partner {
    due: bool,
    under_way: bool,
    /// The last call was answered.
    answers: bool,
    /// The number of the last call.
    called: u64,
}

impl Exchanges {
    /// Notes that a peer is connected; it is told at once.
    pub(super) fn met(&mut self, peer: PeerId) {
        let full = self.peers.len() >= MAX_PEERS;
        match self.peers.entry(peer) {
            Entry::Occupied(known) => known.into_mut().due = true,
            Entry::Vacant(_) if full => {}
            Entry::Vacant(new) => {
                new.insert(Partner { due: true, ..Partner::default() });
            }
        }
    }

    /// Notes that a peer is connected no more.
    pub(super) fn lost(&mut self, peer: &PeerId) {
        self.peers.remove(peer);
    }

    /// Notes that heads were announced.
    pub(super) fn announced(&mut self) {
        self.news = true;
    }

    /// Makes those due who were not called for longest, if there is news; those who answer go first.
    pub(super) fn begin_round(&mut self) {
        if !std::mem::take(&mut self.news) {
            return;
        }
        let mut order: Vec<&mut Partner> = self.peers.values_mut().filter(|partner| !partner.due).collect();
        order.sort_unstable_by_key(|partner| (!partner.answers, partner.called));
        for partner in order.into_iter().take(PEERS_PER_ROUND) {
            partner.due = true;
        }
    }

    /// Returns whom to call now.
    pub(super) fn next(&mut self) -> Option<PeerId> {
        let under_way = |partner: &&Partner| partner.under_way;
        let calls = self.peers.values().filter(under_way).count();
        let unproven = self.peers.values().filter(under_way).filter(|partner| !partner.answers).count();
        if calls >= CALLS {
            return None;
        }
        let due = self.peers.iter_mut().filter(|(_, partner)| {
            partner.due && !partner.under_way && (partner.answers || unproven < CALLS_TO_UNPROVEN)
        });
        let (peer, partner) = due.min_by_key(|(_, partner)| (!partner.answers, partner.called))?;
        self.calls += 1;
        (partner.due, partner.under_way, partner.called) = (false, true, self.calls);
        Some(*peer)
    }

    /// Notes how a call ended.
    pub(super) fn ended(&mut self, peer: &PeerId, answered: bool) {
        if let Some(partner) = self.peers.get_mut(peer) {
            (partner.under_way, partner.answers) = (false, answered);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u32) -> PeerId {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        PeerId::from_multihash(multihash::Multihash::wrap(0x12, &bytes).unwrap()).unwrap()
    }

    fn all_next(exchanges: &mut Exchanges) -> Vec<PeerId> {
        std::iter::from_fn(|| exchanges.next()).collect()
    }

    #[test]
    fn a_peer_is_told_when_met_and_after_news() {
        let mut exchanges = Exchanges::default();
        exchanges.met(peer(1));
        assert_eq!(all_next(&mut exchanges), [peer(1)]);
        exchanges.ended(&peer(1), true);
        exchanges.begin_round();
        assert_eq!(all_next(&mut exchanges), []);
        exchanges.announced();
        exchanges.begin_round();
        assert_eq!(all_next(&mut exchanges), [peer(1)]);
        // One call to a peer at a time; what is news meanwhile is told after it.
        exchanges.announced();
        exchanges.begin_round();
        assert_eq!(all_next(&mut exchanges), []);
        exchanges.ended(&peer(1), true);
        assert_eq!(all_next(&mut exchanges), [peer(1)]);
        exchanges.lost(&peer(1));
        exchanges.ended(&peer(1), true);
        exchanges.announced();
        exchanges.begin_round();
        assert_eq!(all_next(&mut exchanges), []);
    }

    #[test]
    fn peers_that_never_answer_do_not_keep_others_from_being_told() {
        let mut exchanges = Exchanges::default();
        let honest = peer(u32::MAX);
        exchanges.met(honest);
        assert_eq!(all_next(&mut exchanges), [honest]);
        exchanges.ended(&honest, true);
        for number in 0..2_000 {
            exchanges.met(peer(number));
        }
        assert_eq!(all_next(&mut exchanges).len(), CALLS_TO_UNPROVEN);
        for _ in 0..10 {
            exchanges.announced();
            exchanges.begin_round();
            assert_eq!(all_next(&mut exchanges), [honest]);
            exchanges.ended(&honest, true);
        }
    }

    #[test]
    fn rounds_go_over_all_peers() {
        let mut exchanges = Exchanges::default();
        let mut told = std::collections::BTreeSet::new();
        for number in 0..100 {
            exchanges.met(peer(number));
        }
        let mut rounds = 0;
        loop {
            let called = all_next(&mut exchanges);
            assert!(called.len() <= CALLS);
            for peer in &called {
                exchanges.ended(peer, true);
            }
            if called.is_empty() {
                exchanges.announced();
                exchanges.begin_round();
                rounds += 1;
                if rounds > 4 {
                    break;
                }
                told.clear();
            }
            told.extend(called);
        }
        assert_eq!(told.len(), PEERS_PER_ROUND);
    }
}
