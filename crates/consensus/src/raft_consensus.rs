//! Raft as a `Consensus`.

use crate::raft::RaftNode;
use cluster_core::{
    PeerId, PinKey,
    ports::{
        BoxFuture, Consensus,
        consensus::{Applied, BarrierError, CrdtHealth, Operation, RaftHealth, SubmitError},
        datastore::StoreError,
    },
};
use std::{sync::Arc, task::Poll};

/// Submits changes to the log of a cluster that this peer is a member of.
#[derive(Debug, Clone)]
pub struct RaftConsensus {
    node: Arc<RaftNode>,
}

impl RaftConsensus {
    /// Makes the port of a running member.
    pub fn new(node: Arc<RaftNode>) -> Self {
        Self { node }
    }

    /// Returns the member.
    pub(crate) fn node(&self) -> &Arc<RaftNode> {
        &self.node
    }
}

impl Consensus for RaftConsensus {
    fn name(&self) -> &'static str {
        "raft"
    }

    fn submit(&self, operation: Operation) -> BoxFuture<'_, Result<Applied, SubmitError>> {
        let node = self.node.clone();
        Box::pin(async move {
            let mut submission = Box::pin(node.submit(operation));
            // The first poll hands the change over, in the order of the callers; what follows goes on without them.
            match futures_util::poll!(submission.as_mut()) {
                Poll::Ready(answer) => answer,
                Poll::Pending => cluster_runtime::spawn(submission)
                    .await
                    .unwrap_or_else(|error| Err(SubmitError::Unknown { cause: error.to_string() })),
            }
        })
    }

    fn members(&self) -> Vec<PeerId> {
        self.node.members()
    }

    fn is_trusted(&self, peer: &PeerId) -> bool {
        self.node.members().contains(peer)
    }

    fn retell(&self, _: Vec<PinKey>) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(std::future::ready(Ok(0)))
    }

    fn crdt_health(&self) -> BoxFuture<'_, Result<Option<CrdtHealth>, StoreError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn read_barrier(&self) -> BoxFuture<'_, Result<(), BarrierError>> {
        Box::pin(self.node.read_barrier(self.node.barrier_wait()))
    }

    fn raft_health(&self) -> Option<RaftHealth> {
        Some(self.node.status())
    }
}
