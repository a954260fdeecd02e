//! A view of one moment.

use super::engine::Engine;
use crate::stored_key::{stored_key, stored_range};
use cluster_core::ports::datastore::{Row, Snapshot, StoreError, Tree};
use std::ops::Bound;
use std::sync::Arc;

/// The state after commit `at`; the engine keeps it until this is dropped.
pub(super) struct SledSnapshot {
    engine: Arc<Engine>,
    at: u64,
    is_long: bool,
}

impl SledSnapshot {
    /// Takes the view of now.
    pub(super) fn take(engine: Arc<Engine>, is_long: bool) -> Self {
        let at = engine.begin_view(is_long);
        Self { engine, at, is_long }
    }

    fn range(
        &self,
        tree: Tree,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
        backwards: bool,
    ) -> Result<Vec<Row>, StoreError> {
        match stored_range(tree, from, to) {
            Some(range) => self.engine.page(&range, self.at, limit, backwards),
            None => Ok(Vec::new()),
        }
    }
}

impl Drop for SledSnapshot {
    fn drop(&mut self) {
        self.engine.end_view(self.at, self.is_long);
    }
}

impl Snapshot for SledSnapshot {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.engine.get(&stored_key(tree, key), self.at)
    }

    fn page(
        &self,
        tree: Tree,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.range(tree, from, to, limit, false)
    }

    fn page_back(
        &self,
        tree: Tree,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.range(tree, from, to, limit, true)
    }
}
