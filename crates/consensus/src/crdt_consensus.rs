//! The Merkle-CRDT as a `Consensus`: a handle on the pinset's writer, and who is a member and trusted.

use crate::crdt::CrdtInput;
use cluster_core::{
    PeerId,
    ports::{
        BoxFuture, Consensus, PeerSet,
        consensus::{Applied, Operation, SubmitError},
    },
    trust::TrustSet,
};
use cluster_runtime::Pinset;
use std::sync::Arc;

/// Submits changes to the writer of a pinset whose backend is the Merkle-CRDT. Members are the peers that are heard
/// of: there is no list (wire-protocol §7.1).
#[derive(Clone)]
pub struct CrdtConsensus {
    trust: Arc<TrustSet>,
    members: Arc<dyn PeerSet>,
    pinset: Pinset<CrdtInput>,
}

impl std::fmt::Debug for CrdtConsensus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CrdtConsensus").field("trust", &self.trust).finish_non_exhaustive()
    }
}

impl CrdtConsensus {
    /// Makes the port of a running writer.
    pub fn new(trust: Arc<TrustSet>, members: Arc<dyn PeerSet>, pinset: Pinset<CrdtInput>) -> Self {
        Self { trust, members, pinset }
    }
}

impl Consensus for CrdtConsensus {
    fn name(&self) -> &'static str {
        "crdt"
    }

    fn submit(&self, operation: Operation) -> BoxFuture<'_, Result<Applied, SubmitError>> {
        Box::pin(self.pinset.submit(operation))
    }

    fn members(&self) -> Vec<PeerId> {
        self.members.members()
    }

    fn is_trusted(&self, peer: &PeerId) -> bool {
        self.trust.is_trusted(peer)
    }
}
