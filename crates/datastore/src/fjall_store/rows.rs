//! A batch as the engine takes it.

use super::layout::Space;
use crate::stored_key::stored_key;
use cluster_core::ports::datastore::{Batch, StoreError};
use std::io;
use std::path::Path;

/// Longest key the engine stores, the tree's number included, in bytes.
const LONGEST_KEY: usize = u16::MAX as usize;

/// One write.
pub(super) struct StoredRow {
    pub(super) space: Space,
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
}

/// Sorts the writes by key and keeps the last of each: the engine gives all of a batch the same position, so it
/// could not tell which of two came later.
pub(super) fn deduplicated(batch: Batch, folder: &Path) -> Result<Vec<StoredRow>, StoreError> {
    let mut rows = Vec::with_capacity(batch.len());
    for write in batch.into_writes() {
        let key = stored_key(write.tree, &write.key);
        if key.len() > LONGEST_KEY {
            let source = io::Error::new(io::ErrorKind::InvalidInput, format!("a key of {} bytes", key.len()));
            return Err(StoreError::Io { action: "write to", path: folder.to_owned(), source });
        }
        rows.push(StoredRow { space: Space::of(write.tree), key, value: write.value });
    }
    // Keys begin with the tree's number, which decides the space. The sort is stable: later writes stay later.
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    rows.dedup_by(|later, kept| {
        let same = later.key == kept.key;
        if same {
            std::mem::swap(&mut later.value, &mut kept.value);
        }
        same
    });
    Ok(rows)
}
