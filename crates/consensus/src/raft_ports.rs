//! What a member of a Raft cluster is to the rest of its peer: its list of members, and who answers the others.

use crate::{raft::RaftNode, raft_consensus::RaftConsensus};
use cluster_core::{
    PeerId,
    ports::{
        BoxFuture, Members,
        consensus::MembershipError,
        members::MemberChange,
        raft::{RaftAnswers, RaftRefusal},
    },
};
use std::time::Duration;

/// How long a change of the members may take. A peer that learns a large pinset is not a voter by then: it goes on learning,
/// and whoever asks again finds it further.
const CHANGE_LIMIT: Duration = Duration::from_secs(30);

impl Members for RaftConsensus {
    fn change(&self, change: MemberChange) -> BoxFuture<'_, Result<(), MembershipError>> {
        let node = self.node().clone();
        Box::pin(async move {
            match change {
                MemberChange::Add(peer) => node.add_member(peer, CHANGE_LIMIT).await,
                MemberChange::Remove(peer) => node.remove_member(peer, CHANGE_LIMIT).await,
                MemberChange::Promote(peer) => node.promote(peer, CHANGE_LIMIT).await,
                MemberChange::Demote(peer) => node.demote(peer, CHANGE_LIMIT).await,
                MemberChange::Lead(peer) => node.transfer_leadership(peer, CHANGE_LIMIT).await,
            }
        })
    }
}

impl RaftAnswers for RaftNode {
    fn admit(&self, _: &PeerId) -> Result<(), RaftRefusal> {
        // Who asks for what, and for which cluster, is looked at with the request.
        Ok(())
    }

    fn answer(&self, from: PeerId, request: Vec<u8>) -> BoxFuture<'_, Vec<u8>> {
        Box::pin(async move { RaftNode::answer(self, from, &request).await })
    }
}
