//! Chunks of snapshots that arrive: rows of the log's tree, under the range that each covers. What a peer has received is still there
//! after a restart, and serves the next snapshot, whoever sends it.

use super::{
    super::{
        position::LogPosition,
        rows::{SPOOLED, broken, position_row, read_position, spool_key},
    },
    chunk::{Chunk, ChunkError, ChunkName, Digest, Place, Sum, sum_of},
    chunk_source::own_chunk,
};
use cluster_core::ports::datastore::{Batch, Datastore, Durability, Snapshot, StoreError, Tree};
use std::{
    ops::Bound,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Rows that are deleted in one batch.
const CLEAR_ROWS: usize = 64;

/// The room for snapshots that arrive. Cheap to clone. Whoever holds it may read and change it: what is being installed is not overwritten by
/// the next one.
#[derive(Clone)]
pub(in super::super) struct Spool {
    store: Arc<dyn Datastore>,
    room: Arc<Semaphore>,
    /// The place in the log of the latest snapshot of which there are chunks.
    latest: Arc<Mutex<Option<LogPosition>>>,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("latest", &self.latest).finish_non_exhaustive()
    }
}

/// The spool, until it is dropped. Everything blocks on the disk.
///
/// Writes are lazy: chunks count once the row that says that all are there is flushed, and what was written before that is durable then.
#[derive(Debug)]
pub(in super::super) struct HeldSpool {
    spool: Spool,
    #[expect(dead_code, reason = "dropped, never read")]
    permit: OwnedSemaphorePermit,
}

impl Spool {
    /// Opens what is left of a snapshot that did not arrive whole. Blocks on the disk.
    pub(in super::super) fn open(store: Arc<dyn Datastore>) -> Result<Self, StoreError> {
        let row = store.snapshot()?.get(Tree::RaftLog, SPOOLED)?;
        let latest = row.and_then(|row| read_position(&row));
        Ok(Self { store, room: Arc::new(Semaphore::new(1)), latest: Arc::new(Mutex::new(latest)) })
    }

    /// Takes the spool; `None` while somebody has it.
    pub(in super::super) fn hold(&self) -> Option<HeldSpool> {
        let permit = self.room.clone().try_acquire_owned().ok()?;
        Some(HeldSpool { spool: self.clone(), permit })
    }

    fn latest(&self) -> Option<LogPosition> {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether chunks are left of snapshots that are of no use to a peer that has carried out the log up to `applied`.
    pub(in super::super) fn is_passed(&self, applied: Option<LogPosition>) -> bool {
        self.latest().is_some_and(|latest| applied.is_some_and(|applied| latest.index <= applied.index))
    }
}

impl HeldSpool {
    /// Says for each chunk of a snapshot of the log up to `last` whether it has to be sent. One that is the same as this peer's own
    /// rows is taken from there.
    pub(in super::super) fn missing(
        &mut self,
        last: LogPosition,
        offered: &[ChunkName],
    ) -> Result<Vec<bool>, StoreError> {
        self.note(last)?;
        let view = self.spool.store.snapshot()?;
        let mut missing = Vec::with_capacity(offered.len());
        for name in offered {
            let spooled = view.get(Tree::RaftLog, &spool_key(&name.place))?;
            let is_here =
                spooled.is_some_and(|bytes| sum_of(&bytes) == name.sum && Chunk::decode(&bytes).is_ok());
            let is_own = !is_here && self.take_own(&*view, name)?;
            missing.push(!is_here && !is_own);
        }
        Ok(missing)
    }

    /// Notes of which snapshot chunks are about to come.
    fn note(&self, last: LogPosition) -> Result<(), StoreError> {
        if self.spool.latest().is_some_and(|latest| latest.index >= last.index) {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.put(Tree::RaftLog, SPOOLED, position_row(last));
        self.spool.store.commit(batch, Durability::Lazy)?;
        *self.spool.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
        Ok(())
    }

    fn take_own(&self, view: &dyn Snapshot, name: &ChunkName) -> Result<bool, StoreError> {
        let own = own_chunk(view, name)?.map(|chunk| chunk.encode());
        match own.filter(|bytes| sum_of(bytes) == name.sum) {
            Some(bytes) => self.put(&name.place, bytes).map(|()| true),
            None => Ok(false),
        }
    }

    fn put(&self, place: &Place, bytes: Vec<u8>) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        batch.put(Tree::RaftLog, spool_key(place), bytes);
        self.spool.store.commit(batch, Durability::Lazy)
    }

    /// Takes a chunk of this peer's own.
    pub(in super::super) fn add(&mut self, chunk: &Chunk) -> Result<(), StoreError> {
        self.put(&chunk.place, chunk.encode())
    }

    /// Takes a chunk of another peer.
    pub(in super::super) fn add_foreign(
        &mut self,
        bytes: Vec<u8>,
    ) -> Result<Result<(), ChunkError>, StoreError> {
        match Chunk::decode(&bytes) {
            Ok(chunk) => self.put(&chunk.place, bytes).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    /// Says whether the chunks cover everything, without a gap, and are `chunks` that hash to `digest`. Reads every one of them as
    /// it will be read when it is installed: once that has begun, there is no way back to what was before.
    pub(in super::super) fn is_whole(&self, chunks: u64, digest: [u8; 32]) -> Result<bool, StoreError> {
        let mut found = Digest::default();
        let mut parts = Parts::default();
        while let Some((_, sum)) = parts.next(&*self.spool.store)? {
            found.add(sum);
        }
        Ok(parts.number == chunks && found.finish() == digest)
    }

    /// Deletes every chunk.
    pub(in super::super) fn clear(&mut self) -> Result<(), StoreError> {
        let store = &self.spool.store;
        loop {
            let rows = store.snapshot()?.page(
                Tree::RaftLog,
                Bound::Included(SPOOLED),
                Bound::Unbounded,
                CLEAR_ROWS,
            )?;
            if rows.is_empty() {
                break;
            }
            let mut batch = Batch::new();
            rows.into_iter().for_each(|(key, _)| batch.delete(Tree::RaftLog, key));
            store.commit(batch, Durability::Lazy)?;
        }
        *self.spool.latest.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }
}

/// Goes through the chunks of the snapshot that is in the spool: each begins where the one before ended. What lies between them is of other
/// snapshots.
#[derive(Debug)]
pub(in super::super) struct Parts {
    number: u64,
    next: Option<Place>,
}

impl Default for Parts {
    fn default() -> Self {
        Self { number: 0, next: Some(Place::FIRST) }
    }
}

impl Parts {
    /// Reads the next chunk, and its checksum; `None` at the end. Blocks on the disk.
    ///
    /// # Errors
    /// When it is missing, or is not what belongs there.
    pub(in super::super) fn next(
        &mut self,
        store: &dyn Datastore,
    ) -> Result<Option<(Chunk, Sum)>, StoreError> {
        let Some(place) = self.next.take() else { return Ok(None) };
        let number = self.number;
        let bytes = store.snapshot()?.get(Tree::RaftLog, &spool_key(&place))?;
        let bytes = bytes.ok_or_else(|| broken(format!("part {number} of a snapshot is missing")))?;
        let chunk = Chunk::decode(&bytes).ok().filter(|chunk| chunk.place == place);
        let chunk = chunk.ok_or_else(|| broken(format!("part {number} of a snapshot cannot be read")))?;
        self.next = chunk.following();
        self.number += 1;
        Ok(Some((chunk, sum_of(&bytes))))
    }
}
