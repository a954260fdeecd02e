//! The port of a storage engine: ordered trees, atomic batches across them, two classes of commit.

mod batch;
mod cursor;
mod error;
mod tree;

pub use batch::{Batch, Write};
pub use cursor::{Cursor, prefix_end};
pub use error::StoreError;
pub use tree::Tree;

use std::ops::Bound;

/// Rows a page may hold at most; longer answers are read page by page, each from a fresh snapshot.
pub const MAX_PAGE: usize = 4096;

/// One row: key and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// When a commit survives a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Before `commit` returns.
    Flushed,
    /// With the next flushed commit or [`Datastore::sync`], whichever comes first; never out of order: what
    /// survives is a prefix of all commits.
    Lazy,
}

/// A storage engine opened on one generation of a peer's state.
///
/// # Contract
/// * **Atomicity.** A batch is visible and durable as a whole or not at all, across all its trees.
/// * **Durability.** As [`Durability`] says; a prefix of the sequence of commits survives any crash.
/// * **Visibility.** A flushed batch becomes visible to snapshots only once it is durable. A lazy one is visible
///   when `commit` returns.
/// * **Order.** Commits take effect one after the other, in the order of the calls; what survives is a prefix of that one
///   order, whichever threads made them. Several threads may commit: a commit that begins after another one returned
///   follows it, and no order is promised between calls that overlap. Whoever reads before it writes needs its rows to itself:
///   the pinset has one writer, Raft's log and the parts of an arriving snapshot have others, of other rows. Readers are many.
/// * **Failure.** After a failed write, of any thread, the engine refuses writes of all with [`StoreError::ReadOnly`] until a
///   [`Datastore::recover`] succeeded; reads go on from what was committed. Whether the failed batch survived is
///   unknown until then.
/// * **Blocking.** Every call may block on the disk and belongs on a thread that may.
pub trait Datastore: Send + Sync + 'static {
    /// Returns the engine's name as the configuration spells it.
    fn engine(&self) -> &'static str;

    /// Takes a consistent view for one page or one decision. Cheap; drop it soon.
    ///
    /// # Errors
    /// When the engine is closed or damaged.
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError>;

    /// Takes a consistent view that may live for minutes (export, backup). Some engines answer writes with
    /// [`StoreError::Busy`] meanwhile.
    ///
    /// # Errors
    /// As [`Datastore::snapshot`].
    fn long_snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError>;

    /// Applies `batch` atomically. An empty flushed batch still makes earlier lazy ones durable.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`] and [`StoreError::Busy`] without having tried; any other error leaves the outcome unknown
    /// and the engine read-only.
    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError>;

    /// Makes every commit so far durable.
    ///
    /// # Errors
    /// As [`Datastore::commit`], but it is never busy.
    fn sync(&self) -> Result<(), StoreError>;

    /// Tries to leave the read-only state after a failed write: reopens what is on the disk and drops a torn
    /// end. Does nothing on a healthy engine. The caller re-reads whatever it held in memory.
    ///
    /// # Errors
    /// When the disk is still not usable; [`StoreError::Busy`] as long as a healthy engine answers commits with it.
    fn recover(&self) -> Result<(), StoreError>;

    /// Measures what the engine occupies on disk, in bytes.
    ///
    /// # Errors
    /// When the folder cannot be read.
    fn disk_usage(&self) -> Result<u64, StoreError>;

    /// Says whether background work (flush, compaction) is under way; benchmarks wait for it to end.
    fn is_compacting(&self) -> bool;

    /// Merges away what deleted index rows left behind, when that is much and nothing was committed since the last call:
    /// a range that leads over it is slow to read. Meant to be called every half minute. Blocks while it works, and
    /// reads and commits go on meanwhile.
    ///
    /// # Errors
    /// When the engine fails; nothing but time is lost.
    fn tidy(&self) -> Result<(), StoreError>;

    /// Stops orderly: makes everything durable and arranges the files for a quick start. The handle answers
    /// with errors afterwards.
    ///
    /// # Errors
    /// When the last flush fails.
    fn close(&self) -> Result<(), StoreError>;
}

/// A consistent view of all trees.
pub trait Snapshot: Send + Sync {
    /// Reads one value.
    ///
    /// # Errors
    /// When the disk or a file fails.
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Reads up to `limit` rows in key order between two bounds; `limit` is cut to [`MAX_PAGE`].
    ///
    /// # Errors
    /// When the disk or a file fails.
    fn page(
        &self,
        tree: Tree,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError>;

    /// Reads up to `limit` rows in descending key order between two bounds.
    ///
    /// # Errors
    /// When the disk or a file fails.
    fn page_back(
        &self,
        tree: Tree,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError>;

    /// Reads up to `limit` rows whose keys start with `prefix`.
    ///
    /// # Errors
    /// When the disk or a file fails.
    fn prefix(&self, tree: Tree, prefix: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        let end = prefix_end(prefix);
        let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.page(tree, Bound::Included(prefix), to, limit)
    }
}
