//! Reading the chunks of a snapshot out of a view of the store.

use super::chunk::{Chunk, ChunkName, MAX_CHUNK, Place, Section};
use cluster_core::{
    mutate::{Mutation as Defect, active},
    ports::datastore::{Snapshot, StoreError},
};
use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    ops::Bound,
    sync::Arc,
};

/// Bytes of rows after which a chunk ends at the latest.
const CHUNK_BYTES: usize = 256 * 1024;

/// Rows after which a chunk ends at the latest: they go into one batch of the writer.
const CHUNK_ROWS: usize = 1024;

/// Rows of a chunk on average.
const USUAL_ROWS: u64 = 256;

/// Says whether a chunk ends with this key. That follows from the key alone, as a rule: what is added or removed changes the chunk that
/// it lies in, and those of another view, or of another peer, are the same everywhere else.
fn ends_chunk(key: &[u8]) -> bool {
    // The same for every process of one version; of two versions, fewer chunks are the same.
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish().is_multiple_of(USUAL_ROWS)
}

/// Rows read at a time. Each may be half a megabyte.
const PAGE: usize = 64;

/// Goes through a view of the store, in constant memory.
#[derive(Clone)]
pub(in super::super) struct ChunkSource {
    view: Arc<dyn Snapshot>,
    /// Where the next chunk begins; `None` at the end.
    next: Option<Place>,
}

impl std::fmt::Debug for ChunkSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChunkSource").field("next", &self.next).finish_non_exhaustive()
    }
}

impl ChunkSource {
    pub(in super::super) fn new(view: Arc<dyn Snapshot>) -> Self {
        Self { view, next: Some(Place::FIRST) }
    }

    /// Reads the next chunk; `None` at the end. Blocks on the disk.
    pub(in super::super) fn next_chunk(&mut self) -> Result<Option<Chunk>, StoreError> {
        let Some(place) = self.next.take() else { return Ok(None) };
        let mut rows = Vec::new();
        let mut bytes = 0;
        let upto = visit(&*self.view, &place, None, |key, row| {
            bytes += key.len() + row.len();
            let is_full = bytes >= CHUNK_BYTES || rows.len() + 1 >= CHUNK_ROWS || ends_chunk(&key);
            let last = is_full.then(|| key.clone());
            if place.section != Section::Requests || !active(Defect::SnapshotWithoutRequests) {
                rows.push((key, row));
            }
            last
        })?;
        let chunk = Chunk { place, upto, rows };
        self.next = chunk.following();
        Ok(Some(chunk))
    }
}

/// Reads the rows of a range as the chunk that they are; `None` when they are more than one has. Blocks on the disk.
pub(super) fn own_chunk(view: &dyn Snapshot, name: &ChunkName) -> Result<Option<Chunk>, StoreError> {
    let mut rows = Vec::new();
    let mut bytes = 0;
    let too_many = visit(view, &name.place, name.upto.as_deref(), |key, row| {
        bytes += key.len() + row.len();
        rows.push((key, row));
        // The last row of a chunk may go beyond.
        (rows.len() > CHUNK_ROWS || bytes > MAX_CHUNK).then_some(())
    })?;
    let chunk = Chunk { place: name.place.clone(), upto: name.upto.clone(), rows };
    Ok(too_many.is_none().then_some(chunk))
}

/// Goes through the rows behind a place and not behind `upto`, until `step` returns something.
fn visit<T>(
    view: &dyn Snapshot,
    place: &Place,
    upto: Option<&[u8]>,
    mut step: impl FnMut(Vec<u8>, Vec<u8>) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    let to = upto.map_or(Bound::Unbounded, Bound::Included);
    let mut from = place.after.clone();
    loop {
        let start = if from.is_empty() { Bound::Unbounded } else { Bound::Excluded(from.as_slice()) };
        let page = view.page(place.section.tree(), start, to, PAGE)?;
        let is_last = page.len() < PAGE;
        if let Some((key, _)) = page.last() {
            from.clone_from(key);
        }
        for (key, row) in page {
            if let Some(found) = step(key, row) {
                return Ok(Some(found));
            }
        }
        if is_last {
            return Ok(None);
        }
    }
}
