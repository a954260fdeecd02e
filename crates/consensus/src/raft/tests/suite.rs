//! openraft's own suite for stores, on every engine.

use super::{
    super::{RaftLogStore, RaftStateMachine, TypeConfig},
    peer::Peer,
};
use cluster_core::ports::datastore::Datastore;
use cluster_datastore::{DEFAULT_MEMORY_BUDGET, FjallStore, MemoryStore};
use openraft::{
    StorageError,
    testing::log::{StoreBuilder, Suite},
};
use std::sync::Arc;
use tempfile::TempDir;

struct Memory;

impl StoreBuilder<TypeConfig, RaftLogStore, RaftStateMachine, ()> for Memory {
    async fn build(&self) -> Result<((), RaftLogStore, RaftStateMachine), StorageError<TypeConfig>> {
        let (log, machine) = Peer::open(Arc::new(MemoryStore::new())).await.into_parts();
        Ok(((), log, machine))
    }
}

struct Fjall;

impl StoreBuilder<TypeConfig, RaftLogStore, RaftStateMachine, TempDir> for Fjall {
    async fn build(&self) -> Result<(TempDir, RaftLogStore, RaftStateMachine), StorageError<TypeConfig>> {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Datastore> =
            Arc::new(FjallStore::open(folder.path(), DEFAULT_MEMORY_BUDGET).unwrap());
        let (log, machine) = Peer::open(store).await.into_parts();
        Ok((folder, log, machine))
    }
}

#[tokio::test]
async fn the_memory_engine_keeps_openrafts_suite() {
    Suite::test_all(Memory).await.unwrap();
}

#[tokio::test]
async fn the_fjall_engine_keeps_openrafts_suite() {
    Suite::test_all(Fjall).await.unwrap();
}
