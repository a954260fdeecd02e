//! Chunks of a snapshot that arrive: rows of the log's tree until all are there.

use super::{
    super::rows::{ENTRIES_END, broken, spool_key},
    chunk::{Chunk, ChunkError, Digest, Section},
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
    /// Where the next chunk has to begin; `None` once everything is covered.
    next: Option<(Section, Vec<u8>)>,
}

impl Spool {
    /// Starts with an empty spool. Blocks on the disk, as everything here.
    pub(in super::super) fn begin(store: Arc<dyn Datastore>, place: HeldPlace) -> Result<Self, StoreError> {
        clear_spool(&*store)?;
        let next = Some((Section::ALL[0], Vec::new()));
        Ok(Self { store, place, chunks: 0, digest: Digest::default(), next })
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

    /// Takes a chunk of another peer. Its range must begin where the one before ended: rows in between would stay as they are.
    pub(in super::super) fn add_foreign(
        &mut self,
        bytes: Vec<u8>,
    ) -> Result<Result<(), ChunkError>, StoreError> {
        let chunk = match Chunk::decode(&bytes) {
            Ok(chunk) => chunk,
            Err(error) => return Ok(Err(error)),
        };
        if self.next != Some((chunk.section, chunk.after)) {
            return Ok(Err(ChunkError::OutOfPlace));
        }
        self.next = match chunk.upto {
            Some(upto) => Some((chunk.section, upto)),
            None => chunk.section.following().map(|section| (section, Vec::new())),
        };
        self.add(bytes).map(Ok)
    }

    /// Says whether the chunks of another peer cover everything.
    pub(in super::super) fn is_whole(&self) -> bool {
        self.next.is_none()
    }

    /// Reads every chunk again, as it will be read when it is installed: once that has begun, there is no way back to what was
    /// before. Blocks on the disk.
    pub(in super::super) fn verify(&self) -> Result<(), StoreError> {
        let view = self.store.snapshot()?;
        let mut digest = Digest::default();
        for number in 0..self.chunks {
            let bytes = view.get(Tree::RaftLog, &spool_key(number))?;
            let bytes = bytes.ok_or_else(|| broken(format!("part {number} of a snapshot is missing")))?;
            decode_spooled(number, &bytes)?;
            digest.add(&bytes);
        }
        if digest.finish() != self.digest() {
            return Err(broken("the parts of a snapshot are not those that arrived".to_owned()));
        }
        Ok(())
    }

    /// Returns what the chunks hash to.
    pub(in super::super) fn digest(&self) -> [u8; 32] {
        self.digest.clone().finish()
    }
}

/// Reads a chunk out of the spool.
pub(in super::super) fn read_spooled(store: &dyn Datastore, number: u64) -> Result<Chunk, StoreError> {
    let bytes = store.snapshot()?.get(Tree::RaftLog, &spool_key(number))?;
    let bytes = bytes.ok_or_else(|| broken(format!("part {number} of a snapshot is missing")))?;
    decode_spooled(number, &bytes)
}

fn decode_spooled(number: u64, bytes: &[u8]) -> Result<Chunk, StoreError> {
    Chunk::decode(bytes).map_err(|_| broken(format!("part {number} of a snapshot cannot be read")))
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
