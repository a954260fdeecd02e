//! What was accepted and is in no delta yet.

use super::{
    BlockId,
    backend::CrdtBackend,
    rows::{ElementRow, PendingRow},
};
use cluster_core::{
    PinKey, UnixMillis,
    mutate::{Mutation, active},
    pinset::{
        Staged,
        backend::{Accepted, Books},
        counters::Counter,
    },
    ports::datastore::{StoreError, Tree},
};

/// Live elements of one key, in block order.
pub(super) fn elements(staged: &Staged, key: &PinKey) -> Result<Vec<(BlockId, ElementRow)>, StoreError> {
    let rows = staged.prefix(Tree::Elements, key.as_bytes())?;
    let decode = |(k, v): (Vec<u8>, Vec<u8>)| Some((ElementRow::block_of(&k)?, ElementRow::decode(&v)?));
    Ok(rows.into_iter().filter_map(decode).collect())
}

/// Writes the value that leaves the pin's row into the row of the element it came from.
pub(super) fn park_value(
    staged: &mut Staged,
    key: &PinKey,
    elements: &mut [(BlockId, ElementRow)],
    value: &[u8],
) {
    if let Some((block, row)) = elements.iter_mut().find(|(_, row)| row.value.is_none())
        && !active(Mutation::LoseParkedValue)
    {
        row.value = Some(value.to_vec());
        staged.put(Tree::Elements, ElementRow::key(key, block), row.encode());
    }
}

impl CrdtBackend {
    /// Reads the operation of `key` that waits for a delta.
    pub(super) fn pending(&self, staged: &Staged, key: &PinKey) -> Result<Option<PendingRow>, StoreError> {
        if let Some(open) = self.open.get(key) {
            return Ok(Some(open.clone()));
        }
        // Without batching there are no rows, and no add should pay for a look.
        if self.pending_rows == 0 {
            return Ok(None);
        }
        Ok(staged.get(Tree::Pending, key.as_bytes())?.as_deref().and_then(PendingRow::decode))
    }

    fn set_pending(
        &mut self,
        books: &mut Books<'_>,
        key: &PinKey,
        row: Option<PendingRow>,
    ) -> Result<(), StoreError> {
        let stored = self.pending_rows > 0 && books.staged.has(Tree::Pending, key.as_bytes())?;
        match row {
            Some(row) if self.defers() => {
                // The batch at hand may hold an earlier change of the key, from before packing was deferred.
                self.open.remove(key);
                books.staged.put(Tree::Pending, key.as_bytes().to_vec(), row.encode());
                if !stored {
                    self.count_pending(books, 1);
                }
            }
            row => {
                if stored {
                    books.staged.delete(Tree::Pending, key.as_bytes().to_vec());
                    self.count_pending(books, -1);
                }
                match row {
                    Some(row) => self.open.insert(key.clone(), row),
                    None => self.open.remove(key),
                };
            }
        }
        Ok(())
    }

    pub(super) fn count_pending(&mut self, books: &mut Books<'_>, by: i64) {
        let step = by.unsigned_abs();
        if by > 0 {
            self.pending_rows += step;
            books.counters.add(Counter::Pending, step);
        } else {
            self.pending_rows = self.pending_rows.saturating_sub(step);
            books.counters.sub(Counter::Pending, step);
        }
    }

    /// Takes note of an accepted change: it becomes part of the next delta. A later change of the same key
    /// replaces an earlier one, so that a delta holds either one element of a key or its tombstones.
    pub(super) fn note(
        &mut self,
        mut books: Books<'_>,
        change: Accepted<'_>,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let Accepted { key, value, previous } = change;
        let waiting = self.pending(books.staged, key)?;
        let since = match &waiting {
            Some(PendingRow::Add { since } | PendingRow::Remove { since, .. }) => *since,
            None => now,
        };
        if value.is_some() {
            match (&waiting, previous) {
                // The value that goes was never published: nothing to keep.
                (Some(PendingRow::Add { .. }), _) | (_, None) => {}
                (Some(PendingRow::Remove { .. }) | None, Some(previous)) => {
                    let mut elements = elements(books.staged, key)?;
                    park_value(books.staged, key, &mut elements, previous);
                }
            }
            return self.set_pending(&mut books, key, Some(PendingRow::Add { since }));
        }
        let mut elements = elements(books.staged, key)?;
        if !matches!(waiting, Some(PendingRow::Add { .. }))
            && let Some(previous) = previous
        {
            park_value(books.staged, key, &mut elements, previous);
        }
        let mut observed: Vec<BlockId> = elements.into_iter().map(|(block, _)| block).collect();
        if active(Mutation::ObserveTooLittle) {
            observed.pop();
        }
        let row = (!observed.is_empty()).then(|| {
            // What open walks will find was announced to us before this removal.
            let roots = self.walks.values().filter_map(|walk| walk.root);
            let mut heads: Vec<BlockId> = self.heads().into_iter().chain(roots).collect();
            heads.sort_unstable();
            heads.dedup();
            PendingRow::Remove { since, observed, heads }
        });
        self.set_pending(&mut books, key, row)
    }
}
