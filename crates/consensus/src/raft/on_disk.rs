//! What Raft's rows say, for whoever checks them from outside.

use super::{
    backend::read_row,
    codec::{self, position},
    entry_row,
    position::LogPosition,
    rows::{APPLIED, AppliedRow, ENTRIES_END, INSTALLING, PURGED, VOTE, damaged, entry_index, read_position},
};
use cluster_core::ports::datastore::{Snapshot, StoreError, Tree};
use std::ops::Bound;

/// The places that one view of a store names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnDisk {
    /// The term of the last vote.
    pub term: u64,
    /// Up to where the log is gone.
    pub purged: Option<LogPosition>,
    /// The entries behind that.
    pub entries: Vec<LogPosition>,
    /// Up to where the pinset has carried out the log.
    pub applied: Option<LogPosition>,
    /// Whether a snapshot is being installed: the pinset is at no place then.
    pub is_installing: bool,
}

impl OnDisk {
    /// Reads them.
    ///
    /// # Errors
    /// When the store fails, or a row cannot be read.
    pub fn read(view: &dyn Snapshot) -> Result<Self, StoreError> {
        let row = |key| view.get(Tree::RaftState, key);
        let vote = read_row(row(VOTE)?, "vote", codec::read_vote)?;
        let purged = read_row(row(PURGED)?, "purged", read_position)?;
        let applied = read_row(row(APPLIED)?, "applied", AppliedRow::decode)?.unwrap_or_default();
        let mut entries = Vec::new();
        let mut from = None::<Vec<u8>>;
        loop {
            let start = from.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let page = view.page(Tree::RaftLog, start, Bound::Excluded(ENTRIES_END), 64)?;
            let Some((last, _)) = page.last() else { break };
            from = Some(last.clone());
            for (key, row) in &page {
                let entry = entry_index(key).and_then(|index| entry_row::read_row(index, row));
                entries.push(position(&entry.ok_or_else(|| damaged("of an entry"))?.log_id));
            }
        }
        // A purge deletes rows after it is noted.
        entries.retain(|entry| purged.is_none_or(|purged| entry.index > purged.index));
        Ok(Self {
            term: vote.map_or(0, |vote| vote.leader_id.term),
            purged,
            entries,
            applied: applied.last,
            is_installing: row(INSTALLING)?.is_some(),
        })
    }
}
