//! The version of the stored rows, and the way from older ones.

use super::{
    indexing,
    row_codec::{RowReader, RowWriter},
    staged::Staged,
};
use crate::ports::datastore::{Batch, Cursor, Datastore, Durability, StoreError, Tree};
use std::path::Path;

/// Version of the rows that this build writes.
///
/// * 1: the first form. Tracker rows had no `by-status` rows of remote pins.
/// * 2: every tracker row has its `by-status` row. Every total had a row of its own.
/// * 3: one row holds all totals but those of peers. No search indexes.
/// * 4: search indexes, each with a note of how far it came. They are made while the store is in use (`indexing`).
pub const FORMAT: u32 = 4;

const VERSION: u8 = 1;
const FORMAT_KEY: &[u8] = b"format";
const POSITION_KEY: &[u8] = b"migration";
const IDENTITY_KEY: &[u8] = b"peer";
const SETTLED_KEY: &[u8] = b"settled";

/// What the key of the note on a search index starts with; the number of its tree follows.
pub(super) const INDEX_PREFIX: &[u8] = b"index/";

/// Rows that one step of a migration handles.
const STEP: usize = 1024;

/// One step on the way from an older format: handles the rows behind `after`, stages what follows, and returns
/// the last key handled, or `None` at the end. Steps are repeated after a crash, so they must be idempotent.
pub type MigrationStep =
    fn(&dyn Datastore, Option<Vec<u8>>, &mut Batch) -> Result<Option<Vec<u8>>, StoreError>;

/// The step out of each older format, by number: the first entry leads from 1 to 2.
const MIGRATIONS: &[MigrationStep] = &[index_every_state, fold_totals, leave_to_the_writer];

fn read_int(store: &dyn Datastore, key: &[u8]) -> Result<Option<u64>, StoreError> {
    let row = store.snapshot()?.get(Tree::Meta, key)?;
    Ok(row.as_deref().and_then(|row| RowReader::new(row, VERSION)).and_then(|mut r| r.int()))
}

fn int_row(value: u64) -> Vec<u8> {
    RowWriter::new(VERSION).int(value).finish()
}

/// Writes the format of a store that is being made for a test of its migration.
pub fn stamp(batch: &mut Batch, format: u32) {
    batch.put(Tree::Meta, FORMAT_KEY, int_row(u64::from(format)));
}

/// Brings a store to [`FORMAT`]: stamps an empty one, migrates an older one in place and resumably, refuses a
/// newer one. Returns the format found, if any.
///
/// # Errors
/// [`StoreError::NewerFormat`], or whatever the store reports.
pub fn ensure(store: &dyn Datastore, path: &Path) -> Result<Option<u32>, StoreError> {
    let Some(found) = read_int(store, FORMAT_KEY)? else {
        let mut batch = Batch::new();
        stamp(&mut batch, FORMAT);
        indexing::stamp(&mut batch);
        store.commit(batch, Durability::Flushed)?;
        return Ok(None);
    };
    let found = u32::try_from(found).unwrap_or(u32::MAX);
    if found > FORMAT {
        return Err(StoreError::NewerFormat { path: path.to_owned(), found, supported: FORMAT });
    }
    for (from, step) in (1..).zip(MIGRATIONS).skip_while(|(from, _)| *from < found) {
        migrate(store, from, *step)?;
    }
    Ok(Some(found))
}

fn migrate(store: &dyn Datastore, from: u32, step: MigrationStep) -> Result<(), StoreError> {
    let mut after = store.snapshot()?.get(Tree::Meta, POSITION_KEY)?;
    loop {
        let mut batch = Batch::new();
        after = step(store, after, &mut batch)?;
        match &after {
            Some(key) => batch.put(Tree::Meta, POSITION_KEY, key.clone()),
            None => {
                batch.delete(Tree::Meta, POSITION_KEY);
                stamp(&mut batch, from + 1);
            }
        }
        store.commit(batch, Durability::Flushed)?;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// 1 → 2: writes the `by-status` row of every tracker row.
fn index_every_state(
    store: &dyn Datastore,
    after: Option<Vec<u8>>,
    batch: &mut Batch,
) -> Result<Option<Vec<u8>>, StoreError> {
    let mut cursor = Cursor::all(Tree::Tracker);
    if let Some(key) = after {
        cursor = cursor.after(key);
    }
    let rows = cursor.next_page(store, STEP)?;
    for (key, row) in &rows {
        if let (Some(row), Ok(key)) = (super::TrackerRow::decode(row), crate::PinKey::from_bytes(key)) {
            batch.put(Tree::ByStatus, super::TrackerRow::status_key(row.state, &key), Vec::new());
        }
    }
    Ok(if cursor.is_done() { None } else { rows.last().map(|(key, _)| key.clone()) })
}

/// 2 → 3: puts all totals but those of peers into one row.
fn fold_totals(
    store: &dyn Datastore,
    _: Option<Vec<u8>>,
    batch: &mut Batch,
) -> Result<Option<Vec<u8>>, StoreError> {
    super::counters::fold_single_rows(store, batch)?;
    Ok(None)
}

/// 3 → 4: nothing to be done before the store is used.
fn leave_to_the_writer(
    _: &dyn Datastore,
    _: Option<Vec<u8>>,
    _: &mut Batch,
) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(None)
}

/// Binds a store to its peer: notes the peer on first use and tells whether a later opener is another one.
///
/// # Errors
/// When the store fails.
pub fn bind_peer(store: &dyn Datastore, peer: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    match store.snapshot()?.get(Tree::Meta, IDENTITY_KEY)? {
        Some(bound) if bound == peer => Ok(None),
        Some(other) => Ok(Some(other)),
        None => {
            let mut batch = Batch::new();
            batch.put(Tree::Meta, IDENTITY_KEY, peer);
            store.commit(batch, Durability::Flushed)?;
            Ok(None)
        }
    }
}

/// Trees that hold something as soon as a store ever held a pin or was told of a history.
const TREES_OF_USE: [Tree; 5] = [Tree::Pins, Tree::Pending, Tree::Heads, Tree::Frontier, Tree::Blocks];

/// Says whether a store was never used and nobody decided that it shall be empty.
///
/// # Errors
/// When the store fails.
pub fn is_unsettled(store: &dyn Datastore) -> Result<bool, StoreError> {
    if store.snapshot()?.get(Tree::Meta, SETTLED_KEY)?.is_some() {
        return Ok(false);
    }
    for tree in TREES_OF_USE {
        if !Cursor::all(tree).next_page(store, 1)?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Notes that somebody decided that this store may be empty.
///
/// # Errors
/// When the store fails.
pub fn settle(store: &dyn Datastore) -> Result<(), StoreError> {
    let mut batch = Batch::new();
    batch.put(Tree::Meta, SETTLED_KEY, int_row(1));
    store.commit(batch, Durability::Flushed)
}

/// The writer's own position: numbers of the last batch and the last revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Number of the last batch.
    pub batch: u64,
    /// Last revision given out.
    pub revision: u64,
}

const POSITION: &[u8] = b"position";

impl Position {
    /// Reads the position.
    ///
    /// # Errors
    /// When the store fails.
    pub fn load(staged: &Staged) -> Result<Self, StoreError> {
        let row = staged.get(Tree::Meta, POSITION)?;
        let read = row.as_deref().and_then(|row| {
            let mut reader = RowReader::new(row, VERSION)?;
            Some(Self { batch: reader.int()?, revision: reader.int()? })
        });
        Ok(read.unwrap_or_default())
    }

    /// Stages the position.
    pub fn stage(self, staged: &mut Staged) {
        let row = RowWriter::new(VERSION).int(self.batch).int(self.revision).finish();
        staged.put(Tree::Meta, POSITION.to_vec(), row);
    }
}
