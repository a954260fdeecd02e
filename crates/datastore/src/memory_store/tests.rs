use super::*;
use cluster_core::ports::datastore::Tree;

fn put(key: &str, value: &str) -> Batch {
    let mut batch = Batch::new();
    batch.put(Tree::Pins, key, value);
    batch
}

fn read(store: &MemoryStore, key: &str) -> Option<Vec<u8>> {
    store.snapshot().unwrap().get(Tree::Pins, key.as_bytes()).unwrap()
}

#[test]
fn a_power_cut_leaves_the_flushed_prefix() {
    let store = MemoryStore::new();
    store.commit(put("a", "1"), Durability::Lazy).unwrap();
    store.commit(put("b", "1"), Durability::Flushed).unwrap();
    store.commit(put("b", "2"), Durability::Lazy).unwrap();
    store.commit(put("c", "1"), Durability::Lazy).unwrap();
    assert_eq!(store.unflushed_commits(), 2);
    let left = store.power_cut();
    assert_eq!(read(&left, "a"), Some(b"1".to_vec()));
    assert_eq!(read(&left, "b"), Some(b"1".to_vec()));
    assert_eq!(read(&left, "c"), None);
    assert_eq!(read(&store, "b"), Some(b"2".to_vec()));
}

#[test]
fn a_refused_write_leaves_nothing_and_stops_writes_until_recovery() {
    let store = MemoryStore::new();
    store.fail_next_commit(FailMode::Refused);
    let refused = store.commit(put("a", "1"), Durability::Flushed);
    assert!(matches!(refused, Err(StoreError::DiskFull { .. })));
    let stopped = store.commit(put("b", "1"), Durability::Flushed);
    assert!(matches!(stopped, Err(StoreError::ReadOnly { .. })));
    assert_eq!(read(&store, "a"), None);
    store.recover().unwrap();
    assert_eq!(read(&store, "a"), None);
    store.commit(put("b", "1"), Durability::Flushed).unwrap();
}

#[test]
fn an_unknown_write_shows_after_recovery_or_a_power_cut_exactly_if_it_survives() {
    for survives in [true, false] {
        let store = MemoryStore::new();
        store.commit(put("lazy", "1"), Durability::Lazy).unwrap();
        store.fail_next_commit(FailMode::Unknown { survives });
        let failed = store.commit(put("a", "1"), Durability::Flushed);
        assert!(matches!(failed, Err(StoreError::Io { .. })));
        assert_eq!(read(&store, "a"), None);
        let left = store.power_cut();
        assert_eq!(read(&left, "a").is_some(), survives);
        assert_eq!(read(&left, "lazy").is_some(), survives);
        store.recover().unwrap();
        assert_eq!(read(&store, "a").is_some(), survives);
        assert_eq!(read(&store, "lazy"), Some(b"1".to_vec()));
    }
}

#[test]
fn a_flush_that_fails_has_been_seen_and_may_be_lost() {
    for survives in [true, false] {
        let store = MemoryStore::new();
        store.commit(put("old", "1"), Durability::Flushed).unwrap();
        store.fail_next_commit(FailMode::Unknown { survives });
        store.commit(put("lazy", "1"), Durability::Lazy).unwrap();
        assert!(matches!(store.sync(), Err(StoreError::Io { .. })));
        assert_eq!(read(&store, "lazy"), Some(b"1".to_vec()));
        let left = store.power_cut();
        store.recover().unwrap();
        for store in [store, left] {
            assert_eq!(read(&store, "lazy").is_some(), survives);
            assert_eq!(read(&store, "old"), Some(b"1".to_vec()));
        }
    }
}

#[test]
fn old_versions_go_when_nobody_can_see_them() {
    let store = MemoryStore::new();
    store.commit(put("a", "0"), Durability::Flushed).unwrap();
    let old = store.snapshot().unwrap();
    for round in 1..100_u32 {
        store.commit(put("a", &round.to_string()), Durability::Flushed).unwrap();
    }
    assert_eq!(old.get(Tree::Pins, b"a").unwrap(), Some(b"0".to_vec()));
    drop(old);
    let mut last = Batch::new();
    last.delete(Tree::Pins, "a");
    store.commit(last, Durability::Lazy).unwrap();
    assert_eq!(store.read().rows.len(), 2, "the durable value and its deletion");
    store.sync().unwrap();
    assert_eq!(store.read().rows.len(), 0);
}
