//! What an operator says about the history: whether the next start has to look for what is missing.

use cluster_core::{
    pinset::{RowReader, RowWriter, Staged},
    ports::datastore::{Batch, Datastore, Durability, Snapshot, StoreError, Tree},
};

const VERSION: u8 = 1;
const KEY: &[u8] = b"crdt/mark";

/// A word about the history, kept until it was acted upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Something may be missing: the next start looks for it, whatever is configured, and later starts do until a look
    /// through everything found nothing.
    Dirty,
    /// Nothing is missing: the next start takes that for granted.
    Clean,
}

impl Mark {
    /// Reads what was said last and not acted upon yet.
    ///
    /// # Errors
    /// When the store fails.
    pub fn read(view: &dyn Snapshot) -> Result<Option<Self>, StoreError> {
        let row = view.get(Tree::Meta, KEY)?;
        let number = row.as_deref().and_then(|row| RowReader::new(row, VERSION)?.byte());
        Ok(match number {
            Some(1) => Some(Self::Dirty),
            Some(2) => Some(Self::Clean),
            _ => None,
        })
    }

    /// Says it, durably, in a store that nothing else writes to.
    ///
    /// # Errors
    /// When the store fails.
    pub fn write(self, store: &dyn Datastore) -> Result<(), StoreError> {
        let number = match self {
            Self::Dirty => 1,
            Self::Clean => 2,
        };
        let mut batch = Batch::new();
        batch.put(Tree::Meta, KEY, RowWriter::new(VERSION).byte(number).finish());
        store.commit(batch, Durability::Flushed)
    }

    /// Stages that it was acted upon.
    pub(super) fn clear(staged: &mut Staged) {
        staged.delete(Tree::Meta, KEY.to_vec());
    }
}
