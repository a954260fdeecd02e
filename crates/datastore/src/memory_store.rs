//! The engine in memory.

mod fail_mode;
mod memory_snapshot;
mod versions;

pub use fail_mode::FailMode;

use crate::EngineKind;
use cluster_core::ports::datastore::{Batch, Datastore, Durability, Snapshot, StoreError};
use memory_snapshot::MemorySnapshot;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use versions::Versions;

/// A [`Datastore`] in memory. Deterministic: no threads, no time, no randomness.
///
/// It tells durable from volatile like a disk: [`MemoryStore::power_cut`] returns what would be left of it.
/// Snapshots cost nothing and commits cost what they write, whatever the size of the store.
#[derive(Clone, Default)]
pub struct MemoryStore {
    shared: Arc<RwLock<Shared>>,
}

#[derive(Default)]
struct Shared {
    rows: Versions,
    /// Number of the last commit.
    latest: u64,
    /// Number of the last commit that survives a power cut.
    durable: u64,
    /// Commits that open snapshots show, with the count of the snapshots.
    viewed: BTreeMap<u64, usize>,
    mode: Mode,
    next_write: Option<FailMode>,
}

#[derive(Default)]
enum Mode {
    #[default]
    Open,
    Failed {
        cause: String,
        left: Left,
    },
    Closed,
}

/// What a failed write left on the disk.
#[derive(Clone)]
enum Left {
    /// Nothing of its batch. Lazy commits before it are still there when the store recovers, but not after a power cut.
    Nothing,
    /// Its batch, and everything before it.
    Batch(Batch),
    /// The lazy commits that were to be flushed.
    Unflushed,
    /// Not even those.
    Durable,
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns what a power cut now would leave: the commits up to the last flush and nothing after it. The store
    /// itself goes on unharmed.
    #[must_use]
    pub fn power_cut(&self) -> Self {
        let shared = self.read();
        // A failed batch that reached the disk brought everything before it along.
        let (until, survivor) = match &shared.mode {
            Mode::Failed { left: Left::Batch(batch), .. } => (shared.latest, Some(batch.clone())),
            Mode::Failed { left: Left::Unflushed, .. } => (shared.latest, None),
            _ => (shared.durable, None),
        };
        let mut left =
            Shared { rows: shared.rows.at(until), latest: until, durable: until, ..Shared::default() };
        if let Some(batch) = survivor {
            left.apply(batch, Durability::Flushed);
        }
        Self { shared: Arc::new(RwLock::new(left)) }
    }

    /// Makes the next commit or sync fail, with [`FailMode::Unknown`] the next one that flushes; the store is read-only
    /// until [`Datastore::recover`] after it.
    pub fn fail_next_commit(&self, mode: FailMode) {
        self.write().next_write = Some(mode);
    }

    /// Counts the commits that a power cut would lose.
    pub fn unflushed_commits(&self) -> u64 {
        let shared = self.read();
        shared.latest - shared.durable
    }

    fn read(&self) -> RwLockReadGuard<'_, Shared> {
        self.shared.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Shared> {
        self.shared.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn check_open(&self) -> Result<(), StoreError> {
        match &self.mode {
            Mode::Open => Ok(()),
            Mode::Failed { cause, .. } => Err(StoreError::ReadOnly { path: folder(), cause: cause.clone() }),
            Mode::Closed => Err(StoreError::Closed),
        }
    }

    /// Fails if the next write is to fail; without a batch it is the flush of what was committed before.
    fn inject(&mut self, batch: Option<&Batch>, durability: Durability) -> Result<(), StoreError> {
        if durability == Durability::Lazy && matches!(self.next_write, Some(FailMode::Unknown { .. })) {
            return Ok(());
        }
        let (cause, left, error) = match self.next_write.take() {
            None => return Ok(()),
            Some(FailMode::Refused) => {
                ("the disk was full".to_owned(), Left::Nothing, StoreError::DiskFull { path: folder() })
            }
            Some(FailMode::Unknown { survives }) => {
                let source = io::Error::other("injected failure");
                let error = StoreError::Io { action: "write", path: folder(), source };
                let left = match (batch, survives) {
                    (Some(batch), true) => Left::Batch(batch.clone()),
                    (Some(_), false) => Left::Nothing,
                    (None, true) => Left::Unflushed,
                    (None, false) => Left::Durable,
                };
                (error.to_string(), left, error)
            }
        };
        self.mode = Mode::Failed { cause, left };
        Err(error)
    }

    fn apply(&mut self, batch: Batch, durability: Durability) {
        self.latest += 1;
        for write in batch.into_writes() {
            self.rows.put(write.tree, write.key, self.latest, write.value);
        }
        if durability == Durability::Flushed {
            self.durable = self.latest;
        }
        self.prune();
    }

    /// Forgets versions that neither a snapshot nor a power cut could show.
    fn prune(&mut self) {
        let oldest_viewed = self.viewed.keys().next().copied().unwrap_or(self.latest);
        self.rows.prune(oldest_viewed.min(self.durable));
    }
}

impl Datastore for MemoryStore {
    fn engine(&self) -> &'static str {
        EngineKind::Memory.name()
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        let mut shared = self.write();
        if matches!(shared.mode, Mode::Closed) {
            return Err(StoreError::Closed);
        }
        let at = shared.latest;
        *shared.viewed.entry(at).or_default() += 1;
        Ok(Box::new(MemorySnapshot::new(self.clone(), at)))
    }

    fn long_snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.snapshot()
    }

    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let mut shared = self.write();
        shared.check_open()?;
        if batch.is_empty() && durability == Durability::Lazy {
            return Ok(());
        }
        shared.inject(Some(&batch).filter(|batch| !batch.is_empty()), durability)?;
        if batch.is_empty() {
            shared.durable = shared.latest;
            shared.prune();
        } else {
            shared.apply(batch, durability);
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        let mut shared = self.write();
        shared.check_open()?;
        shared.inject(None, Durability::Flushed)?;
        shared.durable = shared.latest;
        shared.prune();
        Ok(())
    }

    fn recover(&self) -> Result<(), StoreError> {
        let mut shared = self.write();
        match std::mem::take(&mut shared.mode) {
            Mode::Open => {}
            Mode::Failed { left, .. } => {
                // Reopening reads the log from its beginning and syncs it.
                match left {
                    Left::Batch(batch) => shared.apply(batch, Durability::Flushed),
                    Left::Durable => shared.rows = shared.rows.at(shared.durable),
                    Left::Nothing | Left::Unflushed => {}
                }
                shared.durable = shared.latest;
                shared.prune();
            }
            Mode::Closed => {
                shared.mode = Mode::Closed;
                return Err(StoreError::Closed);
            }
        }
        Ok(())
    }

    fn disk_usage(&self) -> Result<u64, StoreError> {
        Ok(self.read().rows.bytes())
    }

    fn tidy(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn is_compacting(&self) -> bool {
        false
    }

    fn close(&self) -> Result<(), StoreError> {
        let mut shared = self.write();
        match &shared.mode {
            Mode::Open => {
                shared.inject(None, Durability::Flushed)?;
                shared.durable = shared.latest;
            }
            Mode::Closed => return Ok(()),
            Mode::Failed { .. } => {
                let failed = shared.check_open();
                shared.mode = Mode::Closed;
                return failed;
            }
        }
        shared.mode = Mode::Closed;
        Ok(())
    }
}

impl MemoryStore {
    /// Opens what a closed store holds, as a new handle; reopening after an orderly close, so to say.
    #[must_use]
    pub fn reopen(&self) -> Self {
        self.power_cut()
    }
}

/// What errors name where other engines name their folder.
fn folder() -> PathBuf {
    PathBuf::from("(memory)")
}

#[cfg(test)]
mod tests;
