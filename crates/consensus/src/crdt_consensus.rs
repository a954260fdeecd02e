//! The Merkle-CRDT as a `Consensus`: a handle on the pinset's writer, and who is a member and trusted.

use crate::crdt::{Causes, CrdtInput, read_health};
use cluster_core::{
    PeerId, PinKey,
    ports::{
        BoxFuture, Consensus, Datastore, PeerSet,
        consensus::{Applied, BarrierError, CrdtHealth, Operation, RaftHealth, SubmitError},
        datastore::StoreError,
    },
    trust::TrustSet,
};
use cluster_runtime::Pinset;
use std::sync::Arc;

/// Blocks to link to anew and removals to repeat at once: some 250 kB and a megabyte.
const MAX_RETOLD: usize = 5000;

/// Submits changes to the writer of a pinset whose backend is the Merkle-CRDT. Members are the peers that are heard
/// of: there is no list (wire-protocol §7.1).
#[derive(Clone)]
pub struct CrdtConsensus {
    trust: Arc<TrustSet>,
    members: Arc<dyn PeerSet>,
    pinset: Pinset<CrdtInput>,
    store: Arc<dyn Datastore>,
}

impl std::fmt::Debug for CrdtConsensus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CrdtConsensus").field("trust", &self.trust).finish_non_exhaustive()
    }
}

impl CrdtConsensus {
    /// Makes the port of a running writer of this store.
    pub fn new(
        trust: Arc<TrustSet>,
        members: Arc<dyn PeerSet>,
        pinset: Pinset<CrdtInput>,
        store: Arc<dyn Datastore>,
    ) -> Self {
        Self { trust, members, pinset, store }
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

    fn retell(&self, pins: Vec<PinKey>) -> BoxFuture<'_, Result<usize, StoreError>> {
        let store = self.store.clone();
        Box::pin(async move {
            let read =
                tokio::task::spawn_blocking(move || Causes::of(&*store.snapshot()?, &pins, MAX_RETOLD));
            let causes = read.await.unwrap_or(Err(StoreError::Closed))?;
            let told = causes.len();
            if told > 0 {
                self.pinset.backend(CrdtInput::Retell(causes)).await;
            }
            Ok(told)
        })
    }

    fn crdt_health(&self) -> BoxFuture<'_, Result<Option<CrdtHealth>, StoreError>> {
        let store = self.store.clone();
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || read_health(&*store.snapshot()?).map(Some));
            read.await.unwrap_or(Err(StoreError::Closed))
        })
    }
    fn read_barrier(&self) -> BoxFuture<'_, Result<(), BarrierError>> {
        Box::pin(std::future::ready(Err(BarrierError::Unsupported { backend: self.name() })))
    }

    fn raft_health(&self) -> Option<RaftHealth> {
        None
    }
}
