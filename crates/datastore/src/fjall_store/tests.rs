//! What only the engine itself can tell.
#![allow(clippy::unwrap_used)]

use super::*;
use cluster_core::ports::datastore::Tree;

#[test]
fn deleted_index_rows_are_merged_away_once_nobody_writes() {
    let folder = tempfile::tempdir().unwrap();
    let store = FjallStore::open(folder.path(), 16 * 1024 * 1024).unwrap();
    let change = |rows: std::ops::Range<u32>, change: &dyn Fn(&mut Batch, &[u8])| {
        let mut batch = Batch::new();
        rows.for_each(|n| change(&mut batch, &n.to_be_bytes()));
        store.commit(batch, Durability::Lazy).unwrap();
    };
    change(0..20_100, &|batch, key| batch.put(Tree::ByStatus, key, vec![]));
    let before = store.snapshot().unwrap();
    change(100..20_100, &|batch, key| batch.delete(Tree::ByStatus, key));
    let stored = || store.engine().unwrap().space(Space::Indexes).approximate_len();
    store.tidy().unwrap();
    assert!(stored() > 20_000, "somebody wrote just now");
    store.tidy().unwrap();
    assert!(stored() > 20_000, "somebody still reads them");
    assert!(before.get(Tree::ByStatus, &20_099u32.to_be_bytes()).unwrap().is_some());
    drop(before);
    change(20_100..40_100, &|batch, key| batch.delete(Tree::ByStatus, key));
    store.tidy().unwrap();
    store.tidy().unwrap();
    assert_eq!(stored(), 100);
    let left = store.snapshot().unwrap().prefix(Tree::ByStatus, b"", 4096).unwrap();
    assert_eq!(left.len(), 100);
}
