//! What deleted index rows leave behind.
//!
//! A deleted row stays in the engine as a mark until a merge takes it down to the last level. Queues are made of rows
//! that come and go, so a scan of a queue that was long once leads over a mark for each row that left it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Marks that are not worth a merge: stepping over them takes a few milliseconds.
const FEW: u64 = 10_000;

/// Rows that justify one more mark: merging costs as much as there are rows.
const ROWS_PER_MARK: u64 = 100;

/// Counts the marks of the index keyspace, and notes whether the store is at rest.
#[derive(Debug, Default)]
pub(super) struct Remains {
    deleted: AtomicU64,
    /// Number of the last commit when somebody looked.
    seen: AtomicU64,
}

impl Remains {
    /// Counts what a commit deleted.
    pub(super) fn add(&self, deleted: usize) {
        self.deleted.fetch_add(deleted as u64, Ordering::Relaxed);
    }

    /// Says whether to merge now: nothing was committed since the last look, and there are many marks beside `rows`.
    /// The count then starts anew.
    pub(super) fn are_due(&self, last_commit: u64, rows: u64) -> bool {
        let at_rest = self.seen.swap(last_commit, Ordering::Relaxed) == last_commit;
        let many = self.deleted.load(Ordering::Relaxed) >= FEW + rows / ROWS_PER_MARK;
        if at_rest && many {
            self.deleted.store(0, Ordering::Relaxed);
        }
        at_rest && many
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_marks_are_due_once_and_only_at_rest() {
        let remains = Remains::default();
        remains.add(19_999);
        assert!(!remains.are_due(1, 1_000_000), "not at rest");
        assert!(!remains.are_due(1, 1_000_000), "one too few");
        remains.add(1);
        assert!(!remains.are_due(2, 1_000_000), "not at rest");
        assert!(remains.are_due(2, 1_000_000));
        assert!(!remains.are_due(2, 1_000_000), "done");
    }
}
