//! Every engine passes the suite of the port.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/stores.rs"]
mod support;

use cluster_core::ports::datastore::Datastore;
use cluster_datastore::conformance::{self, Fixture};
use cluster_datastore::{EngineKind, FailMode, MemoryStore};
use std::sync::Arc;
use support::{copy_folder, open};
use tempfile::TempDir;

struct Memory {
    left: MemoryStore,
    live: MemoryStore,
}

impl Fixture for Memory {
    fn open(&mut self) -> Arc<dyn Datastore> {
        // A closed store has everything durable: a power cut then loses nothing.
        if self.live.snapshot().is_err() {
            self.left = self.live.power_cut();
        }
        self.live = self.left.clone();
        Arc::new(self.live.clone())
    }

    fn crash(&mut self, _store: Arc<dyn Datastore>) -> bool {
        self.left = self.live.power_cut();
        true
    }

    fn fail_next_write(&mut self, _store: &dyn Datastore) -> bool {
        self.live.fail_next_commit(FailMode::Refused);
        true
    }
}

/// A crash of this one is what `kill -9` leaves: an image of the files taken while the store is open.
struct OnDisk {
    engine: EngineKind,
    folders: Vec<TempDir>,
}

impl Fixture for OnDisk {
    fn open(&mut self) -> Arc<dyn Datastore> {
        open(self.engine, self.folders.last().unwrap().path()).unwrap()
    }

    fn crash(&mut self, store: Arc<dyn Datastore>) -> bool {
        let image = tempfile::tempdir().unwrap();
        copy_folder(self.folders.last().unwrap().path(), image.path());
        drop(store);
        self.folders.push(image);
        true
    }

    fn fail_next_write(&mut self, _store: &dyn Datastore) -> bool {
        // See tests/disk_full.rs.
        false
    }
}

#[test]
fn in_memory() {
    conformance::run(&|| {
        let store = MemoryStore::new();
        Box::new(Memory { left: store.clone(), live: store })
    });
}

fn on_disk(engine: EngineKind) {
    conformance::run(&|| Box::new(OnDisk { engine, folders: vec![tempfile::tempdir().unwrap()] }));
}

#[test]
fn on_disk_with_fjall() {
    on_disk(EngineKind::Fjall);
}

#[test]
fn on_disk_with_sled() {
    on_disk(EngineKind::Sled);
}
