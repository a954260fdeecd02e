//! The stream of changes: one row per batch, kept for a day and at most a million changes.

use super::{
    row_codec::{RowReader, RowWriter},
    staged::Staged,
    tracker_row::TrackedState,
};
use crate::{
    PinKey, UnixMillis,
    ports::{
        consensus::Etag,
        datastore::{Batch, Datastore, Durability, Snapshot, StoreError, Tree},
    },
};
use std::{ops::Bound, time::Duration};

/// Changes kept at most.
pub const MAX_CHANGES: u64 = 1_000_000;

/// How long a change is kept.
pub const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// Rows that one commit trims at most, so that no commit pays for a long silence.
const TRIM_ROWS: usize = 64;

const VERSION: u8 = 1;

/// Key of the number of the history.
const HISTORY: &[u8] = b"events-history";

/// Key of the note on the last batch whose changes went.
const TRIMMED: &[u8] = b"events-trimmed";

/// What happened to a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Added or replaced; the tag of its value.
    Pinned(Etag),
    /// Removed.
    Unpinned,
    /// Its state on this peer changed.
    Status(TrackedState),
    /// Nothing is left to be done for a removed pin.
    Forgotten,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which pin.
    pub key: PinKey,
    /// What happened.
    pub kind: ChangeKind,
}

/// The changes of one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBatch {
    /// When they were written.
    pub time: UnixMillis,
    /// In the order in which they took effect.
    pub changes: Vec<Change>,
}

impl EventBatch {
    /// Writes the row.
    pub fn encode(&self) -> Vec<u8> {
        let mut row = RowWriter::new(VERSION).int(self.time.0).int(self.changes.len() as u64);
        for change in &self.changes {
            row = match change.kind {
                ChangeKind::Pinned(etag) => row.byte(1).raw(&etag.0),
                ChangeKind::Unpinned => row.byte(2),
                ChangeKind::Status(state) => row.byte(3).byte(state.number()),
                ChangeKind::Forgotten => row.byte(4),
            }
            .bytes(change.key.as_bytes());
        }
        row.finish()
    }

    /// Reads a row; `None` when it has another form.
    pub fn decode(row: &[u8]) -> Option<Self> {
        let mut reader = RowReader::new(row, VERSION)?;
        let time = UnixMillis(reader.int()?);
        let count = reader.int()?;
        let mut changes = Vec::new();
        for _ in 0..count {
            let kind = match reader.byte()? {
                1 => ChangeKind::Pinned(Etag(reader.fixed(16)?.try_into().ok()?)),
                2 => ChangeKind::Unpinned,
                3 => ChangeKind::Status(TrackedState::from_number(reader.byte()?)?),
                4 => ChangeKind::Forgotten,
                _ => return None,
            };
            changes.push(Change { key: PinKey::from_bytes(reader.bytes()?).ok()?, kind });
        }
        Some(Self { time, changes })
    }

    fn head(row: &[u8]) -> Option<(UnixMillis, u64)> {
        let mut reader = RowReader::new(row, VERSION)?;
        Some((UnixMillis(reader.int()?), reader.int()?))
    }
}

/// Returns the key of a batch's row.
pub fn key(sequence: u64) -> Vec<u8> {
    sequence.to_be_bytes().to_vec()
}

/// Returns which history the changes of a store belong to; 0 before one was begun.
///
/// # Errors
/// When the store fails.
pub fn history(snapshot: &dyn Snapshot) -> Result<u32, StoreError> {
    let row = snapshot.get(Tree::Meta, HISTORY)?;
    Ok(row.and_then(|row| Some(u32::from_be_bytes(row.try_into().ok()?))).unwrap_or(0))
}

/// Says whether a row is the number of the history, which belongs to no other store.
pub fn is_history(tree: Tree, key: &[u8]) -> bool {
    tree == Tree::Meta && key == HISTORY
}

/// Begins a history of a store: `number` is new in the world, as far as chance goes, for positions of one store mean
/// nothing in another, nor in what becomes of the same one when its rows are replaced.
///
/// # Errors
/// When the store fails.
pub fn begin_history(store: &dyn Datastore, number: u32) -> Result<(), StoreError> {
    let mut batch = Batch::new();
    batch.put(Tree::Meta, HISTORY, number.to_be_bytes());
    store.commit(batch, Durability::Flushed)
}

/// Returns the last batch whose changes are no longer kept; 0 when all are.
///
/// # Errors
/// When the store fails.
pub fn trimmed(snapshot: &dyn Snapshot) -> Result<u64, StoreError> {
    Ok(snapshot.get(Tree::Meta, TRIMMED)?.as_deref().and_then(super::row_codec::read_be).unwrap_or(0))
}

/// Reads up to `limit` batches with changes, numbered `from` to `to`, with their numbers.
///
/// # Errors
/// When the store fails.
pub fn batches(
    snapshot: &dyn Snapshot,
    from: u64,
    to: u64,
    limit: usize,
) -> Result<Vec<(u64, EventBatch)>, StoreError> {
    let (from, to) = (key(from), key(to));
    let rows = snapshot.page(Tree::Events, Bound::Included(&from), Bound::Included(&to), limit)?;
    Ok(rows
        .into_iter()
        .filter_map(|(key, row)| Some((super::row_codec::read_be(&key)?, EventBatch::decode(&row)?)))
        .collect())
}

/// Deletes rows from the old end, which is at or behind `oldest`, that are too old or too many. Moves `oldest`
/// to the first row left and returns how many changes went.
///
/// # Errors
/// When the store fails.
pub fn trim(
    staged: &mut Staged,
    mut total: u64,
    oldest: &mut u64,
    now: UnixMillis,
) -> Result<u64, StoreError> {
    let mut gone = 0;
    for (key, row) in staged.range_from(Tree::Events, &[], &self::key(*oldest), TRIM_ROWS)? {
        let (time, count) = EventBatch::head(&row).unwrap_or_default();
        *oldest = super::row_codec::read_be(&key).unwrap_or(*oldest);
        if total <= MAX_CHANGES && now.since(time) <= MAX_AGE {
            break;
        }
        staged.put(Tree::Meta, TRIMMED.to_vec(), key.clone());
        staged.delete(Tree::Events, key);
        total = total.saturating_sub(count);
        gone += count;
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_round_trip() {
        let key = PinKey::from_cid(&"bafkqaaa".parse().unwrap());
        let kinds = [
            ChangeKind::Pinned(Etag([9; 16])),
            ChangeKind::Unpinned,
            ChangeKind::Status(TrackedState::Pinned),
            ChangeKind::Forgotten,
        ];
        let batch = EventBatch {
            time: UnixMillis(5),
            changes: kinds.into_iter().map(|kind| Change { key: key.clone(), kind }).collect(),
        };
        assert_eq!(EventBatch::decode(&batch.encode()), Some(batch));
        assert_eq!(EventBatch::decode(&[1, 1, 1]), None);
    }
}
