//! Changes of the members, as the leader decides about them.

use super::{NodeId, codec::RaftMembership, type_config::TypeConfig};
use cluster_core::{
    PeerId,
    pinset::{RowReader, RowWriter},
};
use openraft::{
    ChangeMembers,
    impls::EmptyNode,
    type_config::alias::{NodeIdOf, NodeOf},
};
use std::collections::{BTreeMap, BTreeSet};

type Members = ChangeMembers<NodeIdOf<TypeConfig>, NodeOf<TypeConfig>>;

/// One change of the members. Asking for what is so already changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemberChange {
    /// Let a peer receive the log, without a vote.
    AddLearner(PeerId),
    /// Give a member a vote.
    Promote(PeerId),
    /// Take a member's vote.
    Demote(PeerId),
    /// Make a peer no member.
    Remove(PeerId),
}

/// Why a change cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeRefused {
    /// There would be no voter.
    LastVoter(PeerId),
    /// The peer is no member.
    NotMember(PeerId),
    /// The peer has no vote.
    NotVoter(PeerId),
}

/// What a leader does about a change.
#[derive(Debug)]
pub(super) enum Decision {
    /// It is so already.
    Nothing,
    /// It cannot be made.
    Refuse(ChangeRefused),
    /// Another member has to lead first.
    HandOver,
    /// Write this to the log; a voter that goes stays as a learner, or not.
    Write(Members, VotersThatGo),
}

/// What becomes of a voter that loses its vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VotersThatGo {
    /// It stays a member.
    BecomeLearners,
    /// It is no member any more.
    Leave,
}

impl MemberChange {
    /// Returns the peer that it is about.
    pub(super) fn peer(self) -> PeerId {
        let (_, peer) = self.parts();
        peer
    }

    fn parts(self) -> (u8, PeerId) {
        match self {
            Self::AddLearner(peer) => (1, peer),
            Self::Promote(peer) => (2, peer),
            Self::Demote(peer) => (3, peer),
            Self::Remove(peer) => (4, peer),
        }
    }

    pub(super) fn write(self, row: RowWriter) -> RowWriter {
        let (kind, peer) = self.parts();
        row.byte(kind).bytes(&peer.to_bytes())
    }

    pub(super) fn read(row: &mut RowReader<'_>) -> Option<Self> {
        let (kind, peer) = (row.byte()?, PeerId::from_bytes(row.bytes()?).ok()?);
        Some(match kind {
            1 => Self::AddLearner(peer),
            2 => Self::Promote(peer),
            3 => Self::Demote(peer),
            4 => Self::Remove(peer),
            _ => return None,
        })
    }

    /// Decides about the change, as the leader of these members, which are those of one configuration.
    pub(super) fn decide(self, members: &RaftMembership, leader: PeerId) -> Decision {
        let peer = self.peer();
        let node = NodeId::from(peer);
        let is_member = members.get_node(&node).is_some();
        let is_voter = members.voter_ids().any(|voter| voter == node);
        let is_last = is_voter && members.voter_ids().count() == 1;
        let one = || BTreeSet::from([node]);
        match self {
            Self::AddLearner(_) if is_member => Decision::Nothing,
            Self::AddLearner(_) => {
                let nodes = BTreeMap::from([(node, EmptyNode::default())]);
                Decision::Write(ChangeMembers::AddNodes(nodes), VotersThatGo::BecomeLearners)
            }
            Self::Promote(_) if is_voter => Decision::Nothing,
            Self::Demote(_) if is_member && !is_voter => Decision::Nothing,
            Self::Remove(_) if !is_member => Decision::Nothing,
            Self::Promote(_) | Self::Demote(_) if !is_member => {
                Decision::Refuse(ChangeRefused::NotMember(peer))
            }
            Self::Promote(_) => {
                Decision::Write(ChangeMembers::AddVoterIds(one()), VotersThatGo::BecomeLearners)
            }
            Self::Demote(_) | Self::Remove(_) if is_last => Decision::Refuse(ChangeRefused::LastVoter(peer)),
            Self::Demote(_) | Self::Remove(_) if peer == leader => Decision::HandOver,
            Self::Demote(_) => {
                Decision::Write(ChangeMembers::RemoveVoters(one()), VotersThatGo::BecomeLearners)
            }
            Self::Remove(_) if is_voter => {
                Decision::Write(ChangeMembers::RemoveVoters(one()), VotersThatGo::Leave)
            }
            Self::Remove(_) => Decision::Write(ChangeMembers::RemoveNodes(one()), VotersThatGo::Leave),
        }
    }
}

impl ChangeRefused {
    pub(super) fn write(self, row: RowWriter) -> RowWriter {
        let (kind, peer) = match self {
            Self::LastVoter(peer) => (1, peer),
            Self::NotMember(peer) => (2, peer),
            Self::NotVoter(peer) => (3, peer),
        };
        row.byte(kind).bytes(&peer.to_bytes())
    }

    pub(super) fn read(row: &mut RowReader<'_>) -> Option<Self> {
        let (kind, peer) = (row.byte()?, PeerId::from_bytes(row.bytes()?).ok()?);
        Some(match kind {
            1 => Self::LastVoter(peer),
            2 => Self::NotMember(peer),
            3 => Self::NotVoter(peer),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openraft::Membership;

    #[test]
    fn what_is_so_already_changes_nothing_and_the_last_voter_stays() {
        let [one, two, learner, other] = [(); 4].map(|()| PeerId::random());
        let of = |voters: &[PeerId]| -> RaftMembership {
            let voters: BTreeSet<NodeId> = voters.iter().map(|peer| NodeId::from(*peer)).collect();
            let mut all = voters.clone();
            all.insert(learner.into());
            Membership::new_with_defaults(vec![voters], all)
        };
        let two_voters = of(&[one, two]);
        let decide = |change: MemberChange| change.decide(&two_voters, one);
        for change in [
            MemberChange::AddLearner(one),
            MemberChange::AddLearner(learner),
            MemberChange::Promote(two),
            MemberChange::Demote(learner),
            MemberChange::Remove(other),
        ] {
            assert!(matches!(decide(change), Decision::Nothing), "{change:?}");
        }
        for change in [MemberChange::Promote(other), MemberChange::Demote(other)] {
            let Decision::Refuse(ChangeRefused::NotMember(peer)) = decide(change) else {
                panic!("{change:?}")
            };
            assert_eq!(peer, other);
        }
        for change in [MemberChange::Demote(one), MemberChange::Remove(one)] {
            assert!(matches!(decide(change), Decision::HandOver), "{change:?}");
            let alone = change.decide(&of(&[one]), one);
            assert!(matches!(alone, Decision::Refuse(ChangeRefused::LastVoter(_))), "{change:?}");
        }
        for (change, going) in [
            (MemberChange::Demote(two), VotersThatGo::BecomeLearners),
            (MemberChange::Remove(two), VotersThatGo::Leave),
            (MemberChange::Remove(learner), VotersThatGo::Leave),
        ] {
            let Decision::Write(_, then) = decide(change) else { panic!("{change:?}") };
            assert_eq!(then, going, "{change:?}");
        }
    }
}
