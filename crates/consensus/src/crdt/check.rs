//! Checking the Merkle-CRDT's books against each other and against the blocks.
//!
//! The winner of a key is recomputed here by its own few lines, not by the code that merges.

mod graph;
mod published;

use super::rows::{MergedRow, PendingRow, WalkRow};
use cluster_core::{
    pinset::check::CheckReport,
    ports::datastore::{Cursor, Datastore, Snapshot, StoreError, Tree},
};
use std::collections::BTreeMap;

/// Rows read at a time.
const PAGE: usize = 1024;

/// Checks the books of the Merkle-CRDT. Nothing may write meanwhile. Memory follows the largest block, the number
/// of open walks and the elements of one key, never the pinset.
///
/// # Errors
/// When the store fails.
pub fn check(store: &dyn Datastore) -> Result<CheckReport, StoreError> {
    let snapshot = store.long_snapshot()?;
    let mut checker =
        Checker { snapshot: &*snapshot, report: CheckReport::default(), walks: BTreeMap::new() };
    checker.read_walks()?;
    checker.check_heads()?;
    checker.check_frontier()?;
    checker.check_merged()?;
    let in_blocks = checker.check_blocks()?;
    checker.check_keys(in_blocks)?;
    checker.check_tombstones()?;
    Ok(checker.report)
}

struct Checker<'a> {
    snapshot: &'a dyn Snapshot,
    report: CheckReport,
    walks: BTreeMap<u64, WalkRow>,
}

impl Checker<'_> {
    fn each(
        &mut self,
        tree: Tree,
        mut visit: impl FnMut(&mut Self, &[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut cursor = Cursor::all(tree);
        while !cursor.is_done() {
            for (key, row) in cursor.next_page_of(self.snapshot, PAGE)? {
                visit(self, &key, &row)?;
            }
        }
        Ok(())
    }

    fn has(&self, tree: Tree, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.snapshot.get(tree, key)?.is_some())
    }

    fn merged(&self, block: &[u8]) -> Result<Option<MergedRow>, StoreError> {
        Ok(self.snapshot.get(Tree::Merged, block)?.as_deref().and_then(MergedRow::decode))
    }

    fn pending(&self, key: &[u8]) -> Result<Option<PendingRow>, StoreError> {
        Ok(self.snapshot.get(Tree::Pending, key)?.as_deref().and_then(PendingRow::decode))
    }
}
