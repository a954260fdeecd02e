//! Reading the chunks of a snapshot out of a view of the store.

use super::chunk::{Chunk, Section};
use cluster_core::{
    mutate::{Mutation as Defect, active},
    ports::datastore::{Snapshot, StoreError},
};
use std::{ops::Bound, sync::Arc};

/// Bytes of rows after which a chunk ends.
const CHUNK_BYTES: usize = 256 * 1024;

/// Rows after which a chunk ends: they go into one batch of the writer.
const CHUNK_ROWS: usize = 1024;

/// Rows read at a time. Each may be half a megabyte.
const PAGE: usize = 64;

/// Goes through a view of the store, in constant memory.
#[derive(Clone)]
pub(in super::super) struct ChunkSource {
    view: Arc<dyn Snapshot>,
    /// Where the next chunk begins; `None` at the end.
    next: Option<(Section, Vec<u8>)>,
}

impl std::fmt::Debug for ChunkSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChunkSource").field("next", &self.next).finish_non_exhaustive()
    }
}

impl ChunkSource {
    pub(in super::super) fn new(view: Arc<dyn Snapshot>) -> Self {
        Self { view, next: Some((Section::ALL[0], Vec::new())) }
    }

    /// Reads the next chunk; `None` at the end. Blocks on the disk.
    pub(in super::super) fn next_chunk(&mut self) -> Result<Option<Chunk>, StoreError> {
        let Some((section, after)) = self.next.take() else { return Ok(None) };
        let mut rows = Vec::new();
        let mut bytes = 0;
        let mut from = if after.is_empty() { Bound::Unbounded } else { Bound::Excluded(after.clone()) };
        let upto = loop {
            let page = self.view.page(section.tree(), slice(&from), Bound::Unbounded, PAGE)?;
            let is_last = page.len() < PAGE;
            let mut is_full = false;
            for (key, row) in page {
                bytes += key.len() + row.len();
                from = Bound::Excluded(key.clone());
                if section == Section::Requests && active(Defect::SnapshotWithoutRequests) {
                    continue;
                }
                rows.push((key, row));
                if bytes >= CHUNK_BYTES || rows.len() >= CHUNK_ROWS {
                    is_full = true;
                    break;
                }
            }
            if is_full {
                break rows.last().map(|(key, _)| key.clone());
            }
            if is_last {
                break None;
            }
        };
        self.next = match &upto {
            Some(key) => Some((section, key.clone())),
            None => section.following().map(|section| (section, Vec::new())),
        };
        Ok(Some(Chunk { section, after, upto, rows }))
    }
}

fn slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}
