//! A full disk stops writes, not reads, and costs nothing that was acknowledged.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/stores.rs"]
mod support;

use cluster_core::ports::datastore::{Batch, Datastore, Durability, StoreError, Tree};
use cluster_datastore::{EngineKind, FjallStore};
use cluster_testkit::small_disk::SmallDisk;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use support::{ON_DISK, numbers, open_with, write};

/// Returns where the store goes.
fn store_on(disk: &SmallDisk) -> PathBuf {
    disk.folder().join("store")
}

fn block(number: u32) -> Batch {
    let mut batch = Batch::new();
    // Does not compress.
    let noise = (0..64 * 1024_u32).map(|at| ((at ^ number).wrapping_mul(2_654_435_761) >> 13) as u8);
    batch.put(Tree::Blocks, number.to_be_bytes(), noise.collect::<Vec<_>>());
    batch
}

fn recover_within(store: &dyn Datastore, limit: Duration) {
    let deadline = Instant::now() + limit;
    while let Err(error) = store.recover() {
        assert!(Instant::now() < deadline, "{error}");
        std::thread::yield_now();
    }
}

#[test]
fn a_commit_that_finds_the_disk_full_leaves_a_readable_store_that_recovers() {
    ON_DISK.into_iter().for_each(fill_and_recover);
}

fn fill_and_recover(engine: EngineKind) {
    let Some(disk) = SmallDisk::mount(48).unwrap() else { return };
    let open = || open_with(engine, &store_on(&disk), 64 * 1024 * 1024).unwrap();
    let store = open();
    for number in 0..10 {
        write(&*store, number, Durability::Flushed);
    }
    for round in 0..3 {
        disk.fill(256 * 1024).unwrap();
        let mut stored = 0;
        let error = loop {
            match store.commit(block(round * 1000 + stored), Durability::Flushed) {
                Ok(()) => stored += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
        let refused = store.commit(block(9_000), Durability::Flushed).unwrap_err();
        assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused}");
        assert_eq!(numbers(&*store).len(), 10 + round as usize);
        let still_full = store.recover().unwrap_err();
        assert!(matches!(still_full, StoreError::DiskFull { .. }), "{still_full}");
        assert_eq!(numbers(&*store).len(), 10 + round as usize, "reads go on after a recovery that failed");
        disk.free().unwrap();
        let reader = store.snapshot().unwrap();
        // The system may take a moment to give the space back.
        let deadline = Instant::now() + Duration::from_secs(10);
        let held = loop {
            match store.recover().unwrap_err() {
                StoreError::DiskFull { .. } if Instant::now() < deadline => std::thread::yield_now(),
                error => break error,
            }
        };
        assert!(matches!(held, StoreError::ReadOnly { .. }), "{held}");
        drop(reader);
        recover_within(&*store, Duration::from_secs(10));
        for number in 0..stored {
            let key = (round * 1000 + number).to_be_bytes();
            assert!(store.snapshot().unwrap().get(Tree::Blocks, &key).unwrap().is_some());
        }
        write(&*store, 10 + round, Durability::Flushed);
    }
    store.close().unwrap();
    drop(store);
    assert_eq!(numbers(&*open()).len(), 13);
}

/// The journal fits, the tables do not: the engine fails in the background, and stops the writer for good unless the
/// adapter looks after it.
#[test]
fn a_table_that_finds_the_disk_full_stops_writes_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount(200).unwrap() else { return };
    // Small write buffers: many tables.
    let store = FjallStore::open(&store_on(&disk), 4 * 1024 * 1024).unwrap();
    write(&store, 1, Durability::Flushed);
    let mut stored = Vec::new();
    let mut next = 0;
    for round in 0..3 {
        disk.fill(12 * 1024 * 1024).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let error = loop {
            match store.commit(block(next), Durability::Flushed) {
                Ok(()) => stored.push(next),
                Err(error) => break error,
            }
            next += 1;
            assert!(Instant::now() < deadline, "round {round}: the disk never filled up");
        };
        assert!(matches!(error, StoreError::DiskFull { .. } | StoreError::ReadOnly { .. }), "{error}");
        check(&store, &stored);
        disk.free().unwrap();
        recover_within(&store, Duration::from_secs(20));
        check(&store, &stored);
    }
    drop(store);
    check(&FjallStore::open(&store_on(&disk), 4 * 1024 * 1024).unwrap(), &stored);
}

fn check(store: &FjallStore, stored: &[u32]) {
    let snapshot = store.snapshot().unwrap();
    for number in stored {
        let found = snapshot.get(Tree::Blocks, &number.to_be_bytes()).unwrap();
        assert!(found.is_some(), "block {number} is lost");
    }
    assert_eq!(numbers(store), [1]);
}

#[test]
fn a_store_cannot_be_created_on_a_full_disk_but_later() {
    for engine in ON_DISK {
        let Some(disk) = SmallDisk::mount(8).unwrap() else { return };
        disk.fill(0).unwrap();
        let open = || open_with(engine, &store_on(&disk), 4 * 1024 * 1024);
        let error = open().map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("full"), "{engine}: {error}");
        disk.free().unwrap();
        write(&*open().unwrap(), 1, Durability::Flushed);
    }
}
