//! The opened engine: one tree of sled, and over it the commits that it does not hold yet.

use super::data_files::{DataFiles, LOG, remove_unfinished_snapshots};
use super::failure::{guarded, translate};
use super::open_tree::OpenTree;
use super::pieces;
use super::recent::{Recent, StagedRow, Value};
use super::views::Views;
use super::waker::Waker;
use crate::folder_lock::FolderLock;
use crate::stored_key::{StoredRange, stored_key};
use cluster_core::ports::datastore::{Batch, MAX_PAGE, Row, StoreError};
use sled::{Db, IVec};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The row that says that the tree was made, with the version of its layout; its first byte is no tree's number, and all
/// others are before it. An engine that lost its log makes a new one, empty.
const LAYOUT_KEY: [u8; 1] = [0xff];
const LAYOUT: u8 = 1;

/// The engine on one folder, with the snapshots taken of it.
pub(super) struct Engine {
    // Before the tree, which its thread uses: fields drop in order.
    _waker: Waker,
    tree: OpenTree,
    files: DataFiles,
    recent: RwLock<Recent>,
    views: Mutex<Views>,
    _lock: Arc<FolderLock>,
}

impl Engine {
    /// Opens the engine on `folder` with `cache` bytes for pages, or makes it when it is not `complete`.
    pub(super) fn open(
        folder: &Path,
        cache: u64,
        lock: Arc<FolderLock>,
        complete: bool,
    ) -> Result<Self, StoreError> {
        let damaged =
            |detail: &str| StoreError::Damaged { path: folder.join(LOG), detail: detail.to_owned() };
        if complete && !folder.join(LOG).is_file() {
            return Err(damaged("the file is missing"));
        }
        remove_unfinished_snapshots(folder)?;
        let tree = OpenTree::open(folder, cache)?;
        match tree.call("read", |tree| tree.get(LAYOUT_KEY))?.as_deref() {
            Some([LAYOUT]) => {}
            Some([found, ..]) => {
                let (found, supported) = (u32::from(*found), u32::from(LAYOUT));
                return Err(StoreError::NewerFormat { path: folder.to_owned(), found, supported });
            }
            Some([]) => return Err(damaged("the version of its layout is not readable")),
            None if complete => return Err(damaged("the rows are gone")),
            None => {
                let make = |tree: &Db| tree.insert(LAYOUT_KEY, &[LAYOUT]).and_then(|_| tree.flush());
                tree.call("write", make)?;
            }
        }
        let files = DataFiles::of(folder)?;
        Ok(Self {
            _waker: tree.call("watch", |tree| Ok(Waker::start(tree, folder)))??,
            tree,
            files,
            recent: RwLock::default(),
            views: Mutex::default(),
            _lock: lock,
        })
    }

    /// Says whether a folder without the mark of a completed creation holds rows.
    ///
    /// # Errors
    /// When the engine cannot open or read it.
    pub(super) fn holds_rows(folder: &Path, cache: u64) -> Result<bool, StoreError> {
        remove_unfinished_snapshots(folder)?;
        let first = OpenTree::open(folder, cache)?.call("read", |tree| tree.first())?;
        Ok(first.is_some_and(|(key, _)| *key != LAYOUT_KEY))
    }

    fn recent(&self) -> RwLockReadGuard<'_, Recent> {
        self.recent.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent_mut(&self) -> RwLockWriteGuard<'_, Recent> {
        self.recent.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn views(&self) -> MutexGuard<'_, Views> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a new snapshot, and returns which commit it shows.
    pub(super) fn begin_view(&self, is_long: bool) -> u64 {
        // Together: nobody may prune between the look and the note.
        let recent = self.recent();
        self.views().add(recent.visible(), is_long);
        recent.visible()
    }

    /// Forgets a snapshot of commit `at`.
    pub(super) fn end_view(&self, at: u64, is_long: bool) {
        self.views().remove(at, is_long);
    }

    /// Says whether a long snapshot is open: what is written beside it would stay in memory until it goes.
    pub(super) fn is_exported(&self) -> bool {
        self.views().any_long()
    }

    /// Returns how many bytes wait for the next flush.
    pub(super) fn pending_bytes(&self) -> usize {
        self.recent().pending_bytes()
    }

    /// Adds a commit, which nobody sees yet. There is one writer at a time.
    pub(super) fn stage(&self, batch: Batch) -> Result<(), StoreError> {
        let mut rows: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
        for write in batch.into_writes() {
            rows.insert(stored_key(write.tree, &write.key), write.value);
        }
        let mut staged = Vec::with_capacity(rows.len());
        {
            let recent = self.recent();
            for (key, value) in rows {
                let before = match recent.has(&key) {
                    true => None,
                    false => Some(self.held(&key)?.map(Arc::from)),
                };
                staged.push(StagedRow { key: key.into(), value: value.map(Arc::from), before });
            }
        }
        self.recent_mut().stage(staged);
        Ok(())
    }

    /// Shows all commits to new snapshots.
    pub(super) fn show(&self) {
        let mut recent = self.recent_mut();
        recent.show();
        self.prune_in(&mut recent);
    }

    /// Makes all commits durable: one batch of the engine, its flush, and a sync of its files.
    ///
    /// Nothing reaches the engine between two flushes. It overwrites old segments of its log, and takes unreadable ones
    /// for old ones, by what it believes to be on the disk; what it wrote before this batch then really is there.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        let changes = self.recent().changes();
        if !changes.is_empty() {
            let mut batch = sled::Batch::default();
            for change in &changes {
                pieces::put(&mut batch, &change.key, change.before, change.value.as_deref());
            }
            // Readers do not ask for these rows: all of them are in `recent`, with what was there before.
            self.tree.call("write", |tree| tree.apply_batch(batch).and_then(|()| tree.flush()))?;
            self.files.sync()?;
        }
        let mut recent = self.recent_mut();
        recent.written();
        recent.show();
        self.prune_in(&mut recent);
        Ok(())
    }

    /// Forgets versions of rows that nobody looks at any more.
    pub(super) fn prune(&self) {
        self.prune_in(&mut self.recent_mut());
    }

    fn prune_in(&self, recent: &mut Recent) {
        let oldest = self.views().oldest().unwrap_or_else(|| recent.visible());
        recent.prune(oldest);
    }

    /// Reads a row as of commit `at`.
    pub(super) fn get(&self, key: &[u8], at: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let recent = self.recent();
        match recent.get(key, at) {
            Some(value) => Ok(value.as_deref().map(<[u8]>::to_vec)),
            None => self.held(key),
        }
    }

    /// Reads a row as the engine holds it.
    fn held(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let row = self.row(key)?;
        row.map(|row| self.value_of(key, &row)).transpose()
    }

    fn row(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        self.tree.call("read", |tree| tree.get(key))
    }

    fn value_of(&self, key: &[u8], row: &[u8]) -> Result<Vec<u8>, StoreError> {
        pieces::value_of(key, row, self.tree.folder(), |key| self.row(key))
    }

    /// Counts the rows that the engine itself holds, pieces and the row about its layout included.
    #[cfg(test)]
    pub(super) fn rows_held(&self) -> Result<usize, StoreError> {
        self.tree.call("read", |tree| Ok(tree.len()))
    }

    /// Reads rows of a range as of commit `at`, the last ones first if `backwards`. The tree's number is cut off the keys.
    pub(super) fn page(
        &self,
        range: &StoredRange,
        at: u64,
        limit: usize,
        backwards: bool,
    ) -> Result<Vec<Row>, StoreError> {
        // Held until the page is complete: what the writer brings to the engine meanwhile is in `recent` first, so it
        // waits, and no row is forgotten there between the look at it and the look at the engine.
        let recent = self.recent();
        let over = recent.range(slice(&range.0), slice(&range.1), at);
        let held = self.tree.call("read", |tree| Ok(tree.range(range.clone())))?;
        let (held, over): (HeldRows<'_>, OverRows<'_>) = match backwards {
            false => (Box::new(held), Box::new(over)),
            true => (Box::new(held.rev()), Box::new(over.rev())),
        };
        // The iterator reads the engine's pages.
        guarded(self.tree.folder(), || self.merged(held.peekable(), over.peekable(), limit, backwards))
    }

    /// Merges rows of the engine with those that are over them.
    fn merged(
        &self,
        mut held: Peekable<HeldRows<'_>>,
        mut over: Peekable<OverRows<'_>>,
        limit: usize,
        backwards: bool,
    ) -> Result<Vec<Row>, StoreError> {
        let limit = limit.min(MAX_PAGE);
        let mut page = Vec::new();
        while page.len() < limit {
            let next = match (held.peek(), over.peek()) {
                (Some(Ok((held, _))), Some((over, _))) => {
                    let (held, over): (&[u8], &[u8]) = (held, over);
                    if backwards { over.cmp(held) } else { held.cmp(over) }
                }
                (Some(_), _) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break,
            };
            if next == Ordering::Less {
                let Some(row) = held.next() else { break };
                let (key, row) = row.map_err(|error| translate(error, "read", self.tree.folder()))?;
                page.push((without_tree(&key), self.value_of(&key, &row)?));
                continue;
            }
            if next == Ordering::Equal {
                held.next();
            }
            let Some((key, value)) = over.next() else { break };
            page.extend(value.as_ref().map(|value| (without_tree(key), value.to_vec())));
        }
        Ok(page)
    }
}

type HeldRows<'a> = Box<dyn Iterator<Item = sled::Result<(IVec, IVec)>> + 'a>;
type OverRows<'a> = Box<dyn Iterator<Item = (&'a [u8], &'a Value)> + 'a>;

fn slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

fn without_tree(key: &[u8]) -> Vec<u8> {
    key.get(1..).unwrap_or_default().to_vec()
}
