//! Cases about batches.

use super::{Fixture, get, put};
use cluster_core::ports::datastore::{Batch, Durability, Tree};

pub(super) fn spans_trees(fixture: &mut dyn Fixture) {
    let store = fixture.open();
    let mut batch = Batch::new();
    for tree in Tree::ALL {
        batch.put(tree, "key", [tree.number()]);
    }
    let before = store.snapshot().unwrap();
    store.commit(batch, Durability::Flushed).unwrap();
    let after = store.snapshot().unwrap();
    for tree in Tree::ALL {
        assert_eq!(before.get(tree, b"key").unwrap(), None, "{tree:?}");
        assert_eq!(after.get(tree, b"key").unwrap(), Some(vec![tree.number()]), "{tree:?}");
    }
}

pub(super) fn later_write_wins(fixture: &mut dyn Fixture) {
    let store = fixture.open();
    let mut batch = Batch::new();
    batch.put(Tree::Pins, "twice", "first");
    batch.put(Tree::Pins, "gone", "there");
    batch.delete(Tree::Pins, "back");
    batch.put(Tree::Pins, "other", "x");
    batch.put(Tree::Pins, "twice", "second");
    batch.delete(Tree::Pins, "gone");
    batch.put(Tree::Pins, "back", "again");
    store.commit(batch, Durability::Flushed).unwrap();
    let check = |store: &dyn cluster_core::ports::datastore::Datastore| {
        assert_eq!(get(store, Tree::Pins, b"twice").as_deref(), Some(&b"second"[..]));
        assert_eq!(get(store, Tree::Pins, b"gone"), None);
        assert_eq!(get(store, Tree::Pins, b"back").as_deref(), Some(&b"again"[..]));
    };
    check(&*store);
    store.close().unwrap();
    drop(store);
    check(&*fixture.open());
}

pub(super) fn deletes(fixture: &mut dyn Fixture) {
    let store = fixture.open();
    put(&*store, Tree::Tracker, b"a", b"1", Durability::Flushed);
    let mut batch = Batch::new();
    batch.delete(Tree::Tracker, "a");
    batch.delete(Tree::Tracker, "never");
    store.commit(batch, Durability::Flushed).unwrap();
    assert_eq!(get(&*store, Tree::Tracker, b"a"), None);
    assert_eq!(store.snapshot().unwrap().prefix(Tree::Tracker, b"", 10).unwrap(), []);
    put(&*store, Tree::Tracker, b"a", b"2", Durability::Flushed);
    assert_eq!(get(&*store, Tree::Tracker, b"a").as_deref(), Some(&b"2"[..]));
}

pub(super) fn trees_are_apart(fixture: &mut dyn Fixture) {
    let store = fixture.open();
    let keys: [&[u8]; 4] = [b"", b"\x00", b"k", b"\xff\xff"];
    for tree in Tree::ALL {
        for key in keys {
            put(&*store, tree, key, &[tree.number()], Durability::Lazy);
        }
    }
    let snapshot = store.snapshot().unwrap();
    for tree in Tree::ALL {
        let rows = snapshot.prefix(tree, b"", 100).unwrap();
        let expected: Vec<_> = keys.iter().map(|key| (key.to_vec(), vec![tree.number()])).collect();
        assert_eq!(rows, expected, "{tree:?}");
    }
    let mut batch = Batch::new();
    for key in keys {
        batch.delete(Tree::Elements, key);
    }
    store.commit(batch, Durability::Flushed).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.prefix(Tree::Elements, b"", 100).unwrap(), []);
    assert_eq!(snapshot.prefix(Tree::Tombstones, b"", 100).unwrap().len(), keys.len());
}

pub(super) fn empty_keys_and_values(fixture: &mut dyn Fixture) {
    let store = fixture.open();
    put(&*store, Tree::Meta, b"", b"", Durability::Flushed);
    put(&*store, Tree::ByStatus, b"k", b"", Durability::Flushed);
    assert_eq!(get(&*store, Tree::Meta, b"").as_deref(), Some(&b""[..]));
    store.close().unwrap();
    drop(store);
    let store = fixture.open();
    assert_eq!(get(&*store, Tree::Meta, b"").as_deref(), Some(&b""[..]));
    let rows = store.snapshot().unwrap().prefix(Tree::ByStatus, b"", 10).unwrap();
    assert_eq!(rows, [(b"k".to_vec(), Vec::new())]);
}

pub(super) fn large_values(fixture: &mut dyn Fixture) {
    let store = fixture.open();
    let value: Vec<u8> = (0..1024 * 1024_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    put(&*store, Tree::Blocks, b"big", &value, Durability::Flushed);
    put(&*store, Tree::Blocks, b"zero", &vec![0; 1024 * 1024], Durability::Flushed);
    assert!(get(&*store, Tree::Blocks, b"big") == Some(value.clone()));
    store.close().unwrap();
    drop(store);
    let store = fixture.open();
    assert!(get(&*store, Tree::Blocks, b"big") == Some(value));
    assert!(get(&*store, Tree::Blocks, b"zero") == Some(vec![0; 1024 * 1024]));
}

pub(super) fn order(fixture: &mut dyn Fixture) {
    let store = fixture.open();
    for round in 0..100_u32 {
        let durability = if round % 7 == 0 { Durability::Flushed } else { Durability::Lazy };
        put(&*store, Tree::Counters, b"n", &round.to_be_bytes(), durability);
        let seen = get(&*store, Tree::Counters, b"n");
        assert_eq!(seen.as_deref(), Some(&round.to_be_bytes()[..]));
    }
}

pub(super) fn empty_batch(fixture: &mut dyn Fixture) {
    let store = fixture.open();
    store.commit(Batch::new(), Durability::Lazy).unwrap();
    store.commit(Batch::new(), Durability::Flushed).unwrap();
    for tree in Tree::ALL {
        assert_eq!(store.snapshot().unwrap().prefix(tree, b"", 1).unwrap(), []);
    }
}
