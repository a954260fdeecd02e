//! Stores in memory that misbehave in one way.

use cluster_core::ports::datastore::{Batch, Datastore, Durability, Snapshot, StoreError};
use cluster_datastore::MemoryStore;

/// What a store does otherwise than the one in memory below it.
pub(super) trait Disk: Send + Sync + 'static {
    fn inner(&self) -> &MemoryStore;

    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        self.inner().commit(batch, durability)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.inner().sync()
    }
}

/// A store on such a disk.
pub(super) struct OnDisk<D>(pub(super) D);

impl<D: Disk> Datastore for OnDisk<D> {
    fn engine(&self) -> &'static str {
        self.0.inner().engine()
    }
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.0.inner().snapshot()
    }
    fn long_snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.0.inner().long_snapshot()
    }
    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        self.0.commit(batch, durability)
    }
    fn sync(&self) -> Result<(), StoreError> {
        self.0.sync()
    }
    fn recover(&self) -> Result<(), StoreError> {
        self.0.inner().recover()
    }
    fn disk_usage(&self) -> Result<u64, StoreError> {
        self.0.inner().disk_usage()
    }
    fn is_compacting(&self) -> bool {
        false
    }
    fn tidy(&self) -> Result<(), StoreError> {
        Ok(())
    }
    fn close(&self) -> Result<(), StoreError> {
        self.0.inner().close()
    }
}
