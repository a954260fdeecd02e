//! Cases about failed writes.

use super::{Fixture, get, put};
use cluster_core::ports::datastore::{Batch, Durability, StoreError, Tree};

const TREE: Tree = Tree::Heads;

fn batch(key: &str) -> Batch {
    let mut batch = Batch::new();
    batch.put(TREE, key, "x");
    batch
}

pub(super) fn read_only(fixture: &mut dyn Fixture) {
    let store = fixture.open();
    put(&*store, TREE, b"before", b"1", Durability::Flushed);
    if !fixture.fail_next_write(&*store) {
        return;
    }
    let failed = store.commit(batch("failed"), Durability::Flushed).unwrap_err();
    assert!(!matches!(failed, StoreError::ReadOnly { .. }), "{failed}");
    for _ in 0..2 {
        let refused = store.commit(batch("refused"), Durability::Flushed).unwrap_err();
        assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused}");
        assert!(matches!(store.sync(), Err(StoreError::ReadOnly { .. })));
    }
    assert_eq!(get(&*store, TREE, b"before").as_deref(), Some(&b"1"[..]));
    store.recover().unwrap();
    put(&*store, TREE, b"after", b"2", Durability::Flushed);
    assert_eq!(get(&*store, TREE, b"refused"), None);
    assert_eq!(get(&*store, TREE, b"before").as_deref(), Some(&b"1"[..]));
    if fixture.crash(store) {
        let store = fixture.open();
        assert_eq!(get(&*store, TREE, b"before").as_deref(), Some(&b"1"[..]));
        assert_eq!(get(&*store, TREE, b"after").as_deref(), Some(&b"2"[..]));
    }
}

pub(super) fn healthy_recovery(fixture: &mut dyn Fixture) {
    let store = fixture.open();
    put(&*store, TREE, b"k", b"v", Durability::Lazy);
    let view = store.snapshot().unwrap();
    store.recover().unwrap();
    assert_eq!(view.get(TREE, b"k").unwrap().as_deref(), Some(&b"v"[..]));
    put(&*store, TREE, b"k", b"w", Durability::Flushed);
    assert_eq!(get(&*store, TREE, b"k").as_deref(), Some(&b"w"[..]));
}
