//! What only the engine itself can tell.
#![allow(clippy::unwrap_used)]

use super::*;
use cluster_core::ports::datastore::Tree;

fn opened() -> (tempfile::TempDir, SledStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path(), 16 * 1024 * 1024).unwrap();
    (folder, store)
}

/// Counts the rows that the engine holds, beside the one about its layout.
fn held(store: &SledStore) -> usize {
    store.gate.readable(|engine| engine.rows_held()).unwrap().unwrap() - 1
}

fn change(store: &SledStore, key: u32, value: Option<usize>, durability: Durability) {
    let mut batch = Batch::new();
    match value {
        Some(len) => batch.put(Tree::Blocks, key.to_be_bytes(), vec![7; len]),
        None => batch.delete(Tree::Blocks, key.to_be_bytes()),
    }
    store.commit(batch, durability).unwrap();
}

#[test]
fn the_pieces_of_a_value_go_with_it() {
    let (_folder, store) = opened();
    for (len, rows) in [(100_000, 8), (20_000, 3), (16_384, 1), (16_385, 3), (0, 1)] {
        change(&store, 1, Some(len), Durability::Flushed);
        assert_eq!(held(&store), rows, "{len} bytes");
        let stored = store.snapshot().unwrap().get(Tree::Blocks, &1_u32.to_be_bytes()).unwrap();
        assert_eq!(stored, Some(vec![7; len]));
    }
    change(&store, 1, Some(50_000), Durability::Lazy);
    change(&store, 1, None, Durability::Flushed);
    assert_eq!(held(&store), 0);
}

#[test]
fn lazy_commits_reach_the_engine_with_the_next_flush_or_when_they_are_many() {
    let (_folder, store) = opened();
    change(&store, 1, Some(10), Durability::Lazy);
    change(&store, 2, Some(10), Durability::Lazy);
    assert_eq!(held(&store), 0);
    store.sync().unwrap();
    assert_eq!(held(&store), 2);
    let many = u32::try_from(MOST_PENDING / 10_000).unwrap();
    (0..many).for_each(|key| change(&store, 100 + key, Some(10_000), Durability::Lazy));
    assert_eq!(held(&store), 2);
    change(&store, 3, Some(10_000), Durability::Lazy);
    assert_eq!(held(&store), 3 + many as usize);
}

#[test]
fn a_snapshot_outlives_the_handle_and_shows_what_was_flushed_only() {
    let (folder, store) = opened();
    change(&store, 1, Some(10), Durability::Flushed);
    let snapshot = store.snapshot().unwrap();
    store.close().unwrap();
    drop(store);
    assert!(snapshot.get(Tree::Blocks, &1_u32.to_be_bytes()).unwrap().is_some());
    drop(snapshot);
    assert_eq!(held(&SledStore::open(folder.path(), 16 * 1024 * 1024).unwrap()), 1);
}
