//! Chunks of a snapshot that arrive: rows of the log's tree until all are there.

use super::{
    super::rows::{ENTRIES_END, damaged, spool_key},
    chunk::{Chunk, ChunkError, Digest},
};
use cluster_core::ports::datastore::{Batch, Datastore, Durability, StoreError, Tree};
use std::{ops::Bound, sync::Arc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Rows that are deleted in one batch.
const CLEAR_ROWS: usize = 64;

/// The room for one snapshot. Whoever holds the place may fill or empty the spool: what is being installed is not
/// overwritten by the next one that arrives.
#[derive(Debug, Clone)]
pub(in super::super) struct SpoolPlace(Arc<Semaphore>);

impl Default for SpoolPlace {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl SpoolPlace {
    /// Takes the place; `None` while somebody has it.
    pub(in super::super) fn take(&self) -> Option<HeldPlace> {
        self.0.clone().try_acquire_owned().ok().map(HeldPlace)
    }
}

/// The place, until it is dropped.
#[derive(Debug)]
pub(in super::super) struct HeldPlace(
    #[expect(dead_code, reason = "dropped, never read")] OwnedSemaphorePermit,
);

/// Writes the chunks of one snapshot. Lazy: they count once the row that says that all are there is flushed, and what was
/// written before that is durable then.
pub(in super::super) struct Spool {
    store: Arc<dyn Datastore>,
    place: HeldPlace,
    chunks: u64,
    digest: Digest,
}

impl Spool {
    /// Starts with an empty spool. Blocks on the disk, as everything here.
    pub(in super::super) fn begin(store: Arc<dyn Datastore>, place: HeldPlace) -> Result<Self, StoreError> {
        clear_spool(&*store)?;
        Ok(Self { store, place, chunks: 0, digest: Digest::default() })
    }

    /// Ends the writing, with the place still held.
    pub(in super::super) fn into_parts(self) -> (u64, HeldPlace) {
        (self.chunks, self.place)
    }

    /// How many chunks there are.
    pub(in super::super) fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Takes the next chunk.
    pub(in super::super) fn add(&mut self, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.digest.add(&bytes);
        let mut batch = Batch::new();
        batch.put(Tree::RaftLog, spool_key(self.chunks), bytes);
        self.store.commit(batch, Durability::Lazy)?;
        self.chunks += 1;
        Ok(())
    }

    /// Takes a chunk of another peer.
    pub(in super::super) fn add_foreign(
        &mut self,
        bytes: Vec<u8>,
    ) -> Result<Result<(), ChunkError>, StoreError> {
        if let Err(error) = Chunk::decode(&bytes) {
            return Ok(Err(error));
        }
        self.add(bytes).map(Ok)
    }

    /// Returns what the chunks hash to.
    pub(in super::super) fn digest(&self) -> [u8; 32] {
        self.digest.clone().finish()
    }
}

/// Reads a chunk out of the spool.
pub(in super::super) fn read_spooled(store: &dyn Datastore, number: u64) -> Result<Chunk, StoreError> {
    let bytes = store.snapshot()?.get(Tree::RaftLog, &spool_key(number))?;
    bytes.and_then(|bytes| Chunk::decode(&bytes).ok()).ok_or_else(|| damaged("of a snapshot's part"))
}

/// Deletes every chunk in the spool.
pub(in super::super) fn clear_spool(store: &dyn Datastore) -> Result<(), StoreError> {
    loop {
        let rows = store.snapshot()?.page(
            Tree::RaftLog,
            Bound::Included(ENTRIES_END),
            Bound::Unbounded,
            CLEAR_ROWS,
        )?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        rows.into_iter().for_each(|(key, _)| batch.delete(Tree::RaftLog, key));
        store.commit(batch, Durability::Lazy)?;
    }
}
