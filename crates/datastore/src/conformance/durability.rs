//! Cases about what survives.

use super::{Fixture, get, is_closed, put};
use cluster_core::ports::datastore::{Batch, Datastore, Durability, Tree};

const TREE: Tree = Tree::Requests;

/// Reads which of the numbered rows there are.
fn numbers(store: &dyn Datastore) -> Vec<u32> {
    let rows = store.snapshot().unwrap().prefix(TREE, b"", 4096).unwrap();
    rows.iter().map(|(key, _)| u32::from_be_bytes(key[..].try_into().unwrap())).collect()
}

fn write(store: &dyn Datastore, number: u32, durability: Durability) {
    put(store, TREE, &number.to_be_bytes(), &[3; 300], durability);
}

pub(super) fn flushed_survives(fixture: &mut dyn Fixture) {
    let mut expected = Vec::new();
    for round in 0..3 {
        let store = fixture.open();
        assert_eq!(numbers(&*store), expected);
        for n in 0..20 {
            write(&*store, round * 20 + n, Durability::Flushed);
            expected.push(round * 20 + n);
        }
        if !fixture.crash(store) {
            return;
        }
    }
    assert_eq!(numbers(&*fixture.open()), expected);
}

pub(super) fn lazy_survives_close(fixture: &mut dyn Fixture) {
    for round in 0..3 {
        let store = fixture.open();
        assert_eq!(numbers(&*store), (0..round).collect::<Vec<_>>());
        write(&*store, round, Durability::Lazy);
        store.close().unwrap();
    }
}

pub(super) fn prefix(fixture: &mut dyn Fixture) {
    let store = fixture.open();
    for n in 0..30 {
        write(&*store, n, if n == 10 { Durability::Flushed } else { Durability::Lazy });
    }
    if !fixture.crash(store) {
        return;
    }
    let store = fixture.open();
    let left = numbers(&*store);
    assert!(left.len() > 10, "the flush brought everything before it along: {left:?}");
    assert_eq!(left, (0..u32::try_from(left.len()).unwrap()).collect::<Vec<_>>());
    // The log goes on after what was lost.
    write(&*store, 1000, Durability::Flushed);
    if fixture.crash(store) {
        let again = numbers(&*fixture.open());
        assert_eq!(again[..left.len()], left);
        assert_eq!(again[left.len()..], [1000]);
    }
}

pub(super) fn empty_flush(fixture: &mut dyn Fixture) {
    let store = fixture.open();
    write(&*store, 0, Durability::Lazy);
    store.commit(Batch::new(), Durability::Flushed).unwrap();
    if !fixture.crash(store) {
        return;
    }
    let store = fixture.open();
    assert_eq!(numbers(&*store), [0]);
    write(&*store, 1, Durability::Lazy);
    store.sync().unwrap();
    fixture.crash(store);
    assert_eq!(numbers(&*fixture.open()), [0, 1]);
}

pub(super) fn closed(fixture: &mut dyn Fixture) {
    let store = fixture.open();
    write(&*store, 0, Durability::Flushed);
    store.close().unwrap();
    store.close().unwrap();
    assert!(is_closed(store.snapshot().map(|_| ())));
    assert!(is_closed(store.long_snapshot().map(|_| ())));
    let mut batch = Batch::new();
    batch.put(TREE, "k", "v");
    assert!(is_closed(store.commit(batch, Durability::Flushed)));
    assert!(is_closed(store.sync()));
    assert!(is_closed(store.recover()));
    assert!(!store.is_compacting());
    drop(store);
    assert_eq!(get(&*fixture.open(), TREE, &0_u32.to_be_bytes()), Some(vec![3; 300]));
}
