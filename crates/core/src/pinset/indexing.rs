//! Making the search indexes on a store that has none, or old ones, while the pinset is in use.
//!
//! The writer keeps the rows of every pin it changes from the start. Beside that it goes through the pinset in steps, each
//! part of an ordinary batch, and adds the rows of pins that nobody changed. A pin changed behind the position has its rows
//! already, one before it gets them again: both are the same rows. How far it came is stored with each step.

use super::{
    format,
    row_codec::{RowReader, RowWriter},
    search_index::{self, SearchIndex},
    staged::Staged,
    stored_pin,
};
use crate::{
    PinKey,
    ports::datastore::{Batch, Snapshot, StoreError, Tree},
};

/// Version of the rows of each index that this build makes and keeps.
const VERSION: u64 = 1;

const ROW: u8 = 1;

/// Pins, or old rows, that one step goes through.
const STEP: usize = 512;

/// How far the making of an index came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexState {
    /// Rows of another version are being removed; the last one that is gone.
    Clearing(Vec<u8>),
    /// Rows are being added; the last pin that has its own, and how many have.
    Building {
        /// The last pin done.
        after: Vec<u8>,
        /// Pins done.
        done: u64,
    },
    /// Every pin has its rows.
    Ready,
}

impl IndexState {
    /// The first state of an index that nothing is known of: there may be rows of a build that was not noted.
    fn start() -> Self {
        Self::Clearing(Vec::new())
    }

    fn encode(&self) -> Vec<u8> {
        let row = RowWriter::new(ROW).int(VERSION);
        match self {
            Self::Clearing(after) => row.byte(0).bytes(after),
            Self::Building { after, done } => row.byte(1).bytes(after).int(*done),
            Self::Ready => row.byte(2),
        }
        .finish()
    }

    fn decode(row: &[u8]) -> Option<Self> {
        let mut reader = RowReader::new(row, ROW)?;
        if reader.int()? != VERSION {
            return None;
        }
        Some(match reader.byte()? {
            0 => Self::Clearing(reader.bytes()?.to_vec()),
            1 => Self::Building { after: reader.bytes()?.to_vec(), done: reader.int()? },
            2 => Self::Ready,
            _ => return None,
        })
    }

    fn of_row(row: Option<&[u8]>) -> Self {
        row.and_then(Self::decode).unwrap_or_else(Self::start)
    }
}

fn state_key(index: SearchIndex) -> Vec<u8> {
    [format::INDEX_PREFIX, &[index.tree().number()]].concat()
}

/// Reads how far an index came.
///
/// # Errors
/// When the store fails.
pub fn state(snapshot: &dyn Snapshot, index: SearchIndex) -> Result<IndexState, StoreError> {
    Ok(IndexState::of_row(snapshot.get(Tree::Meta, &state_key(index))?.as_deref()))
}

/// Notes in a store without pins that its indexes are complete.
pub(super) fn stamp(batch: &mut Batch) {
    for index in SearchIndex::ALL {
        batch.put(Tree::Meta, state_key(index), IndexState::Ready.encode());
    }
}

/// Finds the first index that is not ready.
///
/// # Errors
/// When the store fails.
pub(super) fn unfinished(staged: &Staged) -> Result<Option<SearchIndex>, StoreError> {
    for index in SearchIndex::ALL {
        let row = staged.get(Tree::Meta, &state_key(index))?;
        if IndexState::of_row(row.as_deref()) != IndexState::Ready {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// Stages one step of an index and returns the state after it.
///
/// # Errors
/// When the store fails; then nothing is staged.
pub(super) fn step(staged: &mut Staged, index: SearchIndex) -> Result<IndexState, StoreError> {
    let row = staged.get(Tree::Meta, &state_key(index))?;
    let next = match IndexState::of_row(row.as_deref()) {
        IndexState::Clearing(after) => clear(staged, index, &after)?,
        IndexState::Building { after, done } => build(staged, index, &after, done)?,
        IndexState::Ready => IndexState::Ready,
    };
    staged.put(Tree::Meta, state_key(index), next.encode());
    Ok(next)
}

fn clear(staged: &mut Staged, index: SearchIndex, after: &[u8]) -> Result<IndexState, StoreError> {
    let rows = staged.range_from(index.tree(), &[], &behind(after), STEP)?;
    let last = rows.last().map(|(key, _)| key.clone());
    for (key, _) in rows {
        staged.delete(index.tree(), key);
    }
    Ok(match last {
        Some(last) => IndexState::Clearing(last),
        None => IndexState::Building { after: Vec::new(), done: 0 },
    })
}

fn build(staged: &mut Staged, index: SearchIndex, after: &[u8], done: u64) -> Result<IndexState, StoreError> {
    let pins = staged.range_from(Tree::Pins, &[], &behind(after), STEP)?;
    let Some((last, _)) = pins.last() else { return Ok(IndexState::Ready) };
    let next = IndexState::Building { after: last.clone(), done: done + pins.len() as u64 };
    for (key, row) in pins {
        let Ok(key) = PinKey::from_bytes(&key) else { continue };
        for (of, row_key) in search_index::rows(&key, &stored_pin::pin(&key, &row)) {
            if of == index {
                staged.put(index.tree(), row_key, Vec::new());
            }
        }
    }
    Ok(next)
}

/// Returns the first key after `key`; of no key, the first of all.
fn behind(key: &[u8]) -> Vec<u8> {
    if key.is_empty() { Vec::new() } else { [key, &[0]].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_round_trip_and_unknown_ones_start_anew() {
        for state in [
            IndexState::Clearing(b"a".to_vec()),
            IndexState::Building { after: b"b".to_vec(), done: 300 },
            IndexState::Ready,
        ] {
            assert_eq!(IndexState::of_row(Some(&state.encode())), state);
        }
        let other_version = RowWriter::new(ROW).int(VERSION + 1).byte(2).finish();
        for row in [None, Some(&b""[..]), Some(&other_version)] {
            assert_eq!(IndexState::of_row(row), IndexState::start());
        }
    }
}
