//! Cases of several threads that commit to one store, each its own rows.

use super::{Fixture, get};
use cluster_core::ports::datastore::{Batch, Datastore, Durability, StoreError, Tree};
use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

const TREES: [Tree; 2] = [Tree::RaftLog, Tree::Requests];

/// Two threads hand a number to and fro, and each writes it. What one wrote after the other never survives without that.
pub(super) fn one_order(fixture: &mut dyn Fixture) {
    let mut floor = 0;
    for round in 0..3 {
        let store = fixture.open();
        let next = Mutex::new(floor);
        std::thread::scope(|scope| {
            for (thread, tree) in TREES.into_iter().enumerate() {
                let (store, next) = (&*store, &next);
                scope.spawn(move || write_numbers(store, tree, next, floor + 200, thread));
            }
        });
        let end = *next.lock().unwrap();
        assert_eq!(numbers(&*store), (0..end).collect::<Vec<_>>(), "round {round}");
        if !fixture.crash(store) {
            return;
        }
        let store = fixture.open();
        let left = numbers(&*store);
        floor = u32::try_from(left.len()).unwrap();
        assert_eq!(left, (0..floor).collect::<Vec<_>>(), "a hole, in round {round}");
        assert!(fixture.crash(store));
    }
    assert!(floor > 100, "nothing of it was flushed: {floor}");
}

fn write_numbers(store: &dyn Datastore, tree: Tree, next: &Mutex<u32>, end: u32, thread: usize) {
    loop {
        let mut next = next.lock().unwrap();
        if *next >= end {
            return;
        }
        let mut batch = Batch::new();
        batch.put(tree, next.to_be_bytes().to_vec(), vec![7; 100]);
        // One thread is mostly lazy, the other one flushes now and then: its flush covers both.
        let is_flushed = thread == 0 && next.is_multiple_of(5);
        store.commit(batch, if is_flushed { Durability::Flushed } else { Durability::Lazy }).unwrap();
        *next += 1;
        drop(next);
        std::thread::yield_now();
    }
}

fn numbers(store: &dyn Datastore) -> Vec<u32> {
    let view = store.snapshot().unwrap();
    let rows = TREES.into_iter().flat_map(|tree| view.prefix(tree, b"", 4096).unwrap());
    let mut numbers: Vec<u32> =
        rows.map(|(key, _)| u32::from_be_bytes(key[..].try_into().unwrap())).collect();
    numbers.sort_unstable();
    numbers
}

pub(super) fn failure(fixture: &mut dyn Fixture) {
    let store = fixture.open();
    if !fixture.fail_next_write(&*store) {
        return;
    }
    let failed = AtomicBool::new(false);
    let write = |tree: Tree, key: &[u8]| {
        let mut batch = Batch::new();
        batch.put(tree, key.to_vec(), b"value".to_vec());
        store.commit(batch, Durability::Flushed)
    };
    std::thread::scope(|scope| {
        scope.spawn(|| failed.store(write(TREES[0], b"fails").is_err(), Ordering::SeqCst));
    });
    assert!(failed.load(Ordering::SeqCst), "the write did not fail");
    let refused = write(TREES[1], b"later");
    assert!(matches!(refused, Err(StoreError::ReadOnly { .. })), "{refused:?}");
    store.recover().unwrap();
    write(TREES[1], b"again").unwrap();
    assert!(get(&*store, TREES[1], b"again").is_some());
    assert!(get(&*store, TREES[1], b"later").is_none());
}
