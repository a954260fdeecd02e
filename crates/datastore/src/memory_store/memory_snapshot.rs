//! A view of one moment.

use super::MemoryStore;
use crate::stored_key::is_empty_range;
use cluster_core::ports::datastore::{MAX_PAGE, Row, Snapshot, StoreError, Tree};
use std::ops::Bound;

/// The state after commit `at`; the store keeps it until this is dropped.
pub(super) struct MemorySnapshot {
    store: MemoryStore,
    at: u64,
}

impl MemorySnapshot {
    /// Wraps a view the store has already noted.
    pub(super) fn new(store: MemoryStore, at: u64) -> Self {
        Self { store, at }
    }
}

impl Drop for MemorySnapshot {
    fn drop(&mut self) {
        let mut shared = self.store.write();
        if let Some(count) = shared.viewed.get_mut(&self.at) {
            *count -= 1;
            if *count == 0 {
                shared.viewed.remove(&self.at);
            }
        }
    }
}

impl Snapshot for MemorySnapshot {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.store.read().rows.get(tree, key, self.at))
    }

    fn page(
        &self,
        tree: Tree,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        if is_empty_range(from, to) {
            return Ok(Vec::new());
        }
        let shared = self.store.read();
        let rows = shared.rows.range(tree, from, to, self.at).take(limit.min(MAX_PAGE));
        Ok(rows.map(|(key, value)| (key.to_vec(), value.to_vec())).collect())
    }

    fn page_back(
        &self,
        tree: Tree,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        if is_empty_range(from, to) {
            return Ok(Vec::new());
        }
        let shared = self.store.read();
        let rows = shared.rows.range(tree, from, to, self.at).rev().take(limit.min(MAX_PAGE));
        Ok(rows.map(|(key, value)| (key.to_vec(), value.to_vec())).collect())
    }
}
