//! Coming into a cluster with nothing. Whoever does so may be a voter that lost its disk, and with it whom it voted for and what it
//! acknowledged. Only the leader can tell, and takes the vote first.

use super::{Answer, RaftNode, Request, leading::CHANGE};
use crate::raft::{cluster_id::ClusterId, rows::WANTS_VOTE};
use cluster_core::{
    PeerId,
    mutate::{Mutation as Defect, active},
    ports::datastore::{Batch, Durability, StoreError, Tree},
};
use openraft::async_runtime::WatchReceiver as _;
use std::{sync::Arc, time::Duration};

/// Pause before the leader is asked again.
const AGAIN: Duration = Duration::from_millis(200);

/// How long catching up may take before it is asked for once more.
const CATCHING_UP: Duration = Duration::from_secs(3600);

impl RaftNode {
    /// Decides about the request of a member of a cluster of which this peer knows nothing yet.
    ///
    /// # Errors
    /// Why it is not answered, or not yet.
    pub(super) async fn meet(
        &self,
        from: PeerId,
        cluster: ClusterId,
        request: &Request,
    ) -> Result<(), String> {
        let Some(instance) = self.instance() else { return Err(self.no_leader()) };
        // A leader gave it something before the cluster had an id, and nothing was lost since.
        let last = instance.raft.data_metrics().borrow_watched().last_log;
        let has_entries = last.is_some_and(|last| last.index > 0);
        match request {
            Request::Vote(_) | Request::PreVote(_) if !has_entries && !active(Defect::VoteWithNothing) => {
                Err("this peer has no vote: it knows nothing of the cluster yet".to_owned())
            }
            Request::Append(_) | Request::Offer { .. } | Request::Chunk(_) | Request::Install { .. } => {
                if has_entries || active(Defect::EnterWithVote) {
                    return self.adopt(cluster, false).await;
                }
                self.met.send_replace(Some((from, cluster)));
                Err("this peer holds nothing of the cluster yet, and asks the leader first".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Lets the leader take this peer's vote, if it has one, and begins.
    async fn enter(&self, leader: PeerId, cluster: ClusterId) -> Result<(), String> {
        let had_vote = match self.caller.call(leader, &Request::Newcomer, CHANGE).await {
            Ok(Answer::Welcome { had_vote }) => had_vote,
            Ok(Answer::Failed(cause)) => return Err(cause),
            Ok(answer) => return Err(format!("whoever speaks for the cluster answers {answer:?}")),
            Err(error) => return Err(error.to_string()),
        };
        self.adopt(cluster, had_vote).await
    }

    /// Says whether this peer wants a vote back. Blocks on the disk.
    fn wants_vote(&self) -> Result<bool, StoreError> {
        Ok(self.store.snapshot()?.get(Tree::RaftState, WANTS_VOTE)?.is_some())
    }

    /// Gets the vote back once all is here that was lost.
    async fn vote_again(&self) {
        tracing::warn!(
            target: "raft",
            "this peer had a vote in the cluster and came with nothing: it is a learner now, and votes again once it has caught up"
        );
        while let Err(error) = self.add_member(self.config.local, CATCHING_UP).await {
            tracing::info!(target: "raft", %error, "this peer does not vote again yet");
            tokio::time::sleep(AGAIN * 5).await;
        }
        tracing::info!(target: "raft", "this peer has caught up, and votes again");
        let store = self.store.clone();
        let forgotten = cluster_runtime::blocking(move || {
            let mut batch = Batch::new();
            batch.delete(Tree::RaftState, WANTS_VOTE);
            store.commit(batch, Durability::Lazy)
        });
        // It asks in vain after the next start, if that fails.
        let _ = forgotten.await;
    }

    /// Takes the vote of a member that comes with nothing, if this peer leads.
    pub(super) async fn welcome(&self, peer: PeerId) -> Answer {
        let Some(instance) = self.instance() else { return Answer::NotLeader(None) };
        match tokio::time::timeout(CHANGE, self.take_vote(&instance, peer)).await {
            Ok(answer) => answer,
            Err(_) => Answer::Failed("no majority has agreed to it yet".to_owned()),
        }
    }
}

/// Enters the cluster of whoever sends something to this peer while it holds nothing, and gets a vote back that it had.
pub(super) async fn enter(node: Arc<RaftNode>) {
    let mut met = node.met.subscribe();
    let entering = async {
        loop {
            let asked = node.clone();
            if let Ok(Ok(true)) = cluster_runtime::blocking(move || asked.wants_vote()).await {
                node.vote_again().await;
            }
            // Somebody may have come before this task ran.
            let known = *met.borrow_and_update();
            if let Some((leader, cluster)) = known.filter(|_| node.caller.identity.get().is_none()) {
                let Err(cause) = node.enter(leader, cluster).await else { continue };
                tracing::info!(target: "raft", %leader, %cause, "this peer holds nothing of the cluster, and is not taken in yet");
                tokio::time::sleep(AGAIN).await;
            }
            // The sender lives as long as the node.
            let _ = met.changed().await;
        }
    };
    tokio::select! {
        biased;
        () = node.stop.cancelled() => {}
        () = entering => {}
    }
}
