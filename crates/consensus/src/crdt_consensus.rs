//! The Merkle-CRDT as a `Consensus`: a handle on the pinset's writer, and who is trusted.

use crate::crdt::CrdtInput;
use cluster_core::{
    PeerId,
    ports::{
        BoxFuture, Consensus,
        consensus::{Applied, Operation, SubmitError},
    },
};
use cluster_runtime::Pinset;
use std::collections::BTreeSet;

/// Whose changes are merged (wire-protocol §4.14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Everyone's.
    Everyone,
    /// This peer's and those of the peers named.
    Only(BTreeSet<PeerId>),
}

/// Submits changes to the writer of a pinset whose backend is the Merkle-CRDT.
#[derive(Debug, Clone)]
pub struct CrdtConsensus {
    local: PeerId,
    trust: Trust,
    pinset: Pinset<CrdtInput>,
}

impl CrdtConsensus {
    /// Makes the port of a running writer.
    pub fn new(local: PeerId, trust: Trust, pinset: Pinset<CrdtInput>) -> Self {
        Self { local, trust, pinset }
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
        vec![self.local]
    }

    fn is_trusted(&self, peer: &PeerId) -> bool {
        match &self.trust {
            Trust::Everyone => true,
            Trust::Only(peers) => *peer == self.local || peers.contains(peer),
        }
    }
}
