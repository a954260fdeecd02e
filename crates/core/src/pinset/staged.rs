//! The store as the writer sees it: the latest snapshot plus what is staged and not yet written.

use crate::ports::datastore::{Batch, Row, Snapshot, StoreError, Tree, prefix_end};
use std::{collections::BTreeMap, ops::Bound, path::PathBuf};

type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A write's place and what was staged there before, if anything.
type Undo = (Tree, Vec<u8>, Option<Option<Vec<u8>>>);

/// A snapshot with staged writes on top. Reads see the writes; [`Staged::rollback`] takes the latest ones back.
pub struct Staged {
    base: Box<dyn Snapshot>,
    trees: Vec<Writes>,
    undo: Vec<Undo>,
    bytes: usize,
}

impl std::fmt::Debug for Staged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Staged")
            .field("rows", &self.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// Stands in for a snapshot that was let go.
struct Released;

impl Released {
    fn error() -> StoreError {
        StoreError::ReadOnly { path: PathBuf::new(), cause: "the store is being reopened".to_owned() }
    }
}

impl Snapshot for Released {
    fn get(&self, _: Tree, _: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Err(Self::error())
    }

    fn page(&self, _: Tree, _: Bound<&[u8]>, _: Bound<&[u8]>, _: usize) -> Result<Vec<Row>, StoreError> {
        Err(Self::error())
    }

    fn page_back(&self, _: Tree, _: Bound<&[u8]>, _: Bound<&[u8]>, _: usize) -> Result<Vec<Row>, StoreError> {
        Err(Self::error())
    }
}

/// A point in the sequence of staged writes to which one can return.
#[derive(Debug, Clone, Copy)]
pub struct Savepoint {
    undo: usize,
    bytes: usize,
}

impl Staged {
    /// Starts with nothing staged on top of `base`.
    pub fn new(base: Box<dyn Snapshot>) -> Self {
        Self { base, trees: Tree::ALL.iter().map(|_| Writes::new()).collect(), undo: Vec::new(), bytes: 0 }
    }

    fn writes(&self, tree: Tree) -> &Writes {
        &self.trees[usize::from(tree.number())]
    }

    /// Reads one row.
    ///
    /// # Errors
    /// When the store fails.
    pub fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.writes(tree).get(key) {
            Some(staged) => Ok(staged.clone()),
            None => self.base.get(tree, key),
        }
    }

    /// Says whether a row exists.
    ///
    /// # Errors
    /// When the store fails.
    pub fn has(&self, tree: Tree, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.get(tree, key)?.is_some())
    }

    /// Reads every row whose key starts with `prefix`, in key order. Meant for the few rows of one key.
    ///
    /// # Errors
    /// When the store fails.
    pub fn prefix(&self, tree: Tree, prefix: &[u8]) -> Result<Vec<Row>, StoreError> {
        self.range(tree, prefix, usize::MAX)
    }

    /// Reads up to `limit` rows of a prefix, in key order.
    ///
    /// # Errors
    /// When the store fails.
    pub fn range(&self, tree: Tree, prefix: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        self.range_from(tree, prefix, prefix, limit)
    }

    /// Reads up to `limit` rows of a prefix from the key `start` on, in key order. A start behind rows that were
    /// deleted lately spares the engine from stepping over their remains.
    ///
    /// # Errors
    /// When the store fails.
    pub fn range_from(
        &self,
        tree: Tree,
        prefix: &[u8],
        start: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let end = prefix_end(prefix);
        let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut from = Bound::Included(start.to_vec());
        let mut staged = self.writes(tree).range::<[u8], _>((Bound::Included(start), to)).peekable();
        let mut rows = Vec::new();
        loop {
            let bound = match &from {
                Bound::Excluded(key) => Bound::Excluded(key.as_slice()),
                Bound::Included(key) => Bound::Included(key.as_slice()),
                Bound::Unbounded => Bound::Unbounded,
            };
            let want = limit.saturating_sub(rows.len()).saturating_add(1).clamp(16, 1024);
            let page = self.base.page(tree, bound, to, want)?;
            let last_page = page.len() < want;
            for (key, value) in page {
                while let Some((k, v)) = staged.next_if(|(k, _)| **k < key) {
                    rows.extend(v.as_ref().map(|v| (k.clone(), v.clone())));
                }
                from = Bound::Excluded(key.clone());
                match staged.next_if(|(k, _)| **k == key) {
                    Some((k, Some(v))) => rows.push((k.clone(), v.clone())),
                    Some((_, None)) => {}
                    None => rows.push((key, value)),
                }
                if rows.len() >= limit {
                    rows.truncate(limit);
                    return Ok(rows);
                }
            }
            if last_page {
                rows.extend(staged.filter_map(|(k, v)| v.as_ref().map(|v| (k.clone(), v.clone()))));
                rows.truncate(limit);
                return Ok(rows);
            }
        }
    }

    /// Adds or replaces a row.
    pub fn put(&mut self, tree: Tree, key: Vec<u8>, value: Vec<u8>) {
        self.write(tree, key, Some(value));
    }

    /// Removes a row.
    pub fn delete(&mut self, tree: Tree, key: Vec<u8>) {
        self.write(tree, key, None);
    }

    fn write(&mut self, tree: Tree, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        let old = self.trees[usize::from(tree.number())].insert(key.clone(), value);
        self.undo.push((tree, key, old));
    }

    /// Marks the present state.
    pub fn savepoint(&self) -> Savepoint {
        Savepoint { undo: self.undo.len(), bytes: self.bytes }
    }

    /// Takes back every write made since `savepoint`.
    pub fn rollback(&mut self, savepoint: Savepoint) {
        while self.undo.len() > savepoint.undo {
            let Some((tree, key, old)) = self.undo.pop() else { break };
            let writes = &mut self.trees[usize::from(tree.number())];
            match old {
                Some(old) => writes.insert(key, old),
                None => writes.remove(&key),
            };
        }
        self.bytes = savepoint.bytes;
    }

    /// Forgets the way back: what is staged now stays staged.
    pub fn settle(&mut self) {
        self.undo.clear();
    }

    /// Counts the staged rows.
    pub fn len(&self) -> usize {
        self.trees.iter().map(BTreeMap::len).sum()
    }

    /// Says whether nothing is staged.
    pub fn is_empty(&self) -> bool {
        self.trees.iter().all(BTreeMap::is_empty)
    }

    /// Returns how many bytes were staged, replaced ones included.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes everything staged as one batch, in tree and key order.
    pub fn take(&mut self) -> Batch {
        let mut batch = Batch::new();
        for (tree, writes) in Tree::ALL.into_iter().zip(&mut self.trees) {
            for (key, value) in std::mem::take(writes) {
                match value {
                    Some(value) => batch.put(tree, key, value),
                    None => batch.delete(tree, key),
                }
            }
        }
        self.undo.clear();
        self.bytes = 0;
        batch
    }

    /// Lets the snapshot go, with nothing staged: an engine cannot reopen its files while somebody reads the old ones.
    /// Until [`Staged::rebase`] every read fails.
    pub fn release(&mut self) {
        self.rebase(Box::new(Released));
    }

    /// Goes on from a newer snapshot, with nothing staged.
    pub fn rebase(&mut self, base: Box<dyn Snapshot>) {
        self.base = base;
        self.trees.iter_mut().for_each(BTreeMap::clear);
        self.undo.clear();
        self.bytes = 0;
    }
}
