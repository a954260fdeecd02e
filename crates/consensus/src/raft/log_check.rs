//! Whether the rows of a log can be what was once written: a peer must not vote with less than it acknowledged.

use super::{
    backend::read_row,
    codec::{self, position},
    entry_row,
    position::LogPosition,
    rows::{COMMITTED, END, ENTRIES_END, PURGED, VOTE, broken, entry_index, read_end, read_position},
    type_config::{Entry, Vote},
};
use cluster_core::ports::datastore::{Snapshot, StoreError, Tree};
use std::ops::Bound;

/// Rows read at a time; each may be a megabyte.
const PAGE: usize = 64;

/// What the rows of a log say, all of which were read.
#[derive(Debug)]
pub(super) struct CheckedLog {
    pub(super) vote: Option<Vote>,
    pub(super) purged: Option<LogPosition>,
    pub(super) committed: Option<LogPosition>,
    /// Index of the first row; it may be one that is purged, and about to be deleted.
    pub(super) first_row: Option<u64>,
    /// First and last entry that is not purged.
    pub(super) entries: Option<(u64, LogPosition)>,
}

/// Reads the whole log of a view, and hands each entry that is not purged to `each`. Blocks on the disk.
///
/// # Errors
/// [`StoreError::DamagedRaft`], naming the row, when one cannot be read or is missing: an entry in the middle, the last ones,
/// or the vote. What was never flushed is not missing: the engine drops it together with the row that says where the log ends.
pub(super) fn check_log(view: &dyn Snapshot, mut each: impl FnMut(&Entry)) -> Result<CheckedLog, StoreError> {
    let row = |key| view.get(Tree::RaftState, key);
    let vote = read_row(row(VOTE)?, "vote", codec::read_vote)?;
    let purged = read_row(row(PURGED)?, "purged", read_position)?;
    let committed = read_row(row(COMMITTED)?, "committed", read_position)?;
    let end = read_row(row(END)?, "end", read_end)?;
    let begin = purged.map_or(0, |purged| purged.index + 1);
    let first_row = view.page(Tree::RaftLog, Bound::Unbounded, Bound::Excluded(ENTRIES_END), 1)?;
    let first_row = first_row.first().and_then(|(key, _)| entry_index(key));
    let mut checked = CheckedLog { vote, purged, committed, first_row, entries: None };
    let mut last = purged;
    let mut next = begin;
    loop {
        let from = next.to_be_bytes();
        let page = view.page(Tree::RaftLog, Bound::Included(&from), Bound::Excluded(ENTRIES_END), PAGE)?;
        for (key, row) in &page {
            let Some(index) = entry_index(key) else {
                return Err(broken("a row lies among its entries that is none".to_owned()));
            };
            if index != next {
                return Err(missing(next, index));
            }
            let Some(entry) = entry_row::read_row(index, row) else {
                return Err(broken(format!("entry {index} cannot be read")));
            };
            let at = position(&entry.log_id);
            if last.is_some_and(|last| last.term > at.term) {
                return Err(broken(format!("entry {index} is of an earlier term than the one before it")));
            }
            each(&entry);
            last = Some(at);
            checked.entries = Some((begin, at));
            next += 1;
        }
        if page.is_empty() {
            break;
        }
    }
    // Whoever wrote an entry noted in the same batch where the log ends.
    match end {
        Some(end) if end > next => return Err(missing(next, end)),
        Some(end) if next > end.max(begin) => {
            return Err(broken(format!("the entries from {} on were cut off once", end.max(begin))));
        }
        None if checked.entries.is_some() => return Err(broken("the row end is missing".to_owned())),
        _ => {}
    }
    // A vote for a term is flushed before anything of that term.
    let voted = checked.vote.map_or(0, |vote| vote.leader_id.term);
    if last.is_some_and(|last| last.term > voted) {
        let how = if checked.vote.is_some() { "is older than its last entry" } else { "is missing" };
        return Err(broken(format!("the row vote {how}")));
    }
    Ok(checked)
}

fn missing(from: u64, before: u64) -> StoreError {
    broken(match before - from {
        1 => format!("entry {from} is missing"),
        _ => format!("the entries {from} to {} are missing", before - 1),
    })
}
