//! Serves the DAG's blocks from the store.

use crate::crdt::BlockId;
use cluster_core::{
    Cid,
    ports::{BlockSource, Datastore, datastore::Tree},
};
use std::sync::Arc;

/// The blocks of the DAG, read-only.
pub struct StoredBlocks(Arc<dyn Datastore>);

impl StoredBlocks {
    /// Serves the blocks in `store`.
    pub fn new(store: Arc<dyn Datastore>) -> Self {
        Self(store)
    }
}

impl BlockSource for StoredBlocks {
    fn block(&self, cid: &Cid) -> Option<Vec<u8>> {
        let id = BlockId::from_cid(cid).ok()?;
        // A store that fails serves nothing for the moment; whoever asked asks again.
        self.0.snapshot().and_then(|view| view.get(Tree::Blocks, &id.0)).ok().flatten()
    }
}
