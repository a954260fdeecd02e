//! A view of one moment.

use super::engine::Engine;
use super::failure::translate;
use super::layout::Space;
use crate::stored_key::{stored_key, stored_range};
use cluster_core::ports::datastore::{MAX_PAGE, Row, Snapshot, StoreError, Tree};
use fjall::Readable as _;
use std::ops::Bound;
use std::sync::Arc;

/// The state after one commit. Shared by everyone who asks between two commits.
pub(super) struct View {
    // Before the engine: fields drop in order.
    snapshot: fjall::Snapshot,
    engine: Arc<Engine>,
}

impl View {
    /// Takes the view of now. Only while no commit is under way: the engine's background threads move the visible
    /// position past a commit that is still being applied.
    pub(super) fn take(engine: &Arc<Engine>) -> Arc<Self> {
        Arc::new(Self { snapshot: engine.database.snapshot(), engine: Arc::clone(engine) })
    }

    fn range(
        &self,
        tree: Tree,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
        backwards: bool,
    ) -> Result<Vec<Row>, StoreError> {
        let limit = limit.min(MAX_PAGE);
        let Some(range) = stored_range(tree, from, to) else { return Ok(Vec::new()) };
        let space = Space::of(tree);
        let mut rows = self.snapshot.range::<Vec<u8>, _>(self.engine.space(space), range);
        let mut page = Vec::new();
        while page.len() < limit {
            let next = if backwards { rows.next_back() } else { rows.next() };
            let Some(guard) = next else { break };
            let (key, value) = guard
                .into_inner()
                .map_err(|error| translate(error, "read", &self.engine.folder_of(space)))?;
            page.push((key.get(1..).unwrap_or_default().to_vec(), value.to_vec()));
        }
        Ok(page)
    }
}

/// The port's handle of a view.
pub(super) struct FjallSnapshot(pub(super) Arc<View>);

impl Snapshot for FjallSnapshot {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let space = Space::of(tree);
        let view = &self.0;
        let value = view.snapshot.get(view.engine.space(space), stored_key(tree, key));
        value
            .map(|value| value.map(|bytes| bytes.to_vec()))
            .map_err(|error| translate(error, "read", &view.engine.folder_of(space)))
    }

    fn page(
        &self,
        tree: Tree,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.0.range(tree, from, to, limit, false)
    }

    fn page_back(
        &self,
        tree: Tree,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.0.range(tree, from, to, limit, true)
    }
}
