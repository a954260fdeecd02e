//! The opened engine with its keyspaces.

use super::MemoryBudget;
use super::commit_marker::CommitMarker;
use super::failure::{BACKGROUND_FAILURE, translate};
use super::journal;
use super::layout::Space;
use super::table_check;
use crate::folder_lock::FolderLock;
use cluster_core::ports::datastore::StoreError;
use fjall::{AbstractTree as _, Database, Keyspace, PersistMode};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Journals may occupy this much before the engine writes out old write buffers: the smallest it accepts, in bytes.
/// Bounds the time to start after a kill.
const JOURNAL_LIMIT: u64 = 64 * 1024 * 1024;
/// Threads that write out and merge tables. Of several, the engine keeps the first free for writing out: handed a merge,
/// it puts the message back and takes it again, without a pause, for as long as the others merge. On two cores that
/// cost a sixth of the time of a large import.
const WORKERS: usize = 1;
/// Write buffers of one keyspace that may wait to be written out before a commit waits. The engine itself waits at
/// four, without noticing that its threads have died; this one must come first.
const WAITING_BUFFERS: usize = 2;
/// Unmerged tables of one keyspace before a commit waits; the engine itself waits at thirty, in the same blind way.
const UNMERGED_TABLES: usize = 24;
/// How often a waiting commit looks again.
const ROOM_POLL: Duration = Duration::from_millis(2);
/// Longest wait for write buffers at an orderly stop.
const REST_DEADLINE: Duration = Duration::from_secs(60);

/// The engine on the folder `<generation>/db`. Dropping the last reference stops its threads.
pub(super) struct Engine {
    pub(super) database: Database,
    spaces: Vec<Keyspace>,
    budget: MemoryBudget,
    folder: PathBuf,
    _lock: Arc<FolderLock>,
}

impl Engine {
    /// Opens the engine, or creates it when it is not `complete`; returns it with the marker of its last commit.
    pub(super) fn open(
        folder: &Path,
        budget: MemoryBudget,
        lock: Arc<FolderLock>,
        complete: bool,
    ) -> Result<(Self, CommitMarker), StoreError> {
        let logged = if folder.is_dir() { journal::repair(folder)?.last } else { None };
        table_check::check(folder)?;
        // The engine asserts where a file does not hold what it expects.
        let opened = catch_unwind(AssertUnwindSafe(|| Self::open_database(folder, budget, complete)));
        let (database, spaces) = opened.unwrap_or_else(|_| {
            let detail = "the engine gave up on its files; the log has details".to_owned();
            Err(StoreError::Damaged { path: folder.to_owned(), detail })
        })?;
        let engine = Self { database, spaces, budget, folder: folder.to_owned(), _lock: lock };
        let last = engine.last_commit()?;
        if let Some(logged) = logged
            && logged.number > last.number
        {
            return Err(StoreError::Damaged {
                path: folder.to_owned(),
                detail: format!(
                    "the journal ends with commit {}, the tables with {}",
                    logged.number, last.number
                ),
            });
        }
        Ok((engine, last))
    }

    fn open_database(
        folder: &Path,
        budget: MemoryBudget,
        complete: bool,
    ) -> Result<(Database, Vec<Keyspace>), StoreError> {
        let fail = |error| translate(error, "open", folder);
        let database = Database::builder(folder)
            .cache_size(budget.block_cache())
            .max_journaling_size(JOURNAL_LIMIT)
            // Compressed journal items are verified by compressing them again: a newer compressor could refuse them.
            .journal_compression(fjall::CompressionType::None)
            .worker_threads(WORKERS)
            .open()
            .map_err(fail)?;
        let found = database.list_keyspace_names();
        let mut spaces = Vec::with_capacity(Space::ALL.len());
        for space in Space::ALL {
            // The engine would make a missing one anew, empty.
            if complete && !found.iter().any(|name| **name == *space.name()) {
                let detail = format!("the keyspace {} is missing", space.name());
                return Err(StoreError::Damaged { path: folder.to_owned(), detail });
            }
            spaces.push(database.keyspace(space.name(), || space.options(budget)).map_err(fail)?);
        }
        Ok((database, spaces))
    }

    /// Returns the keyspace for `space`.
    pub(super) fn space(&self, space: Space) -> &Keyspace {
        &self.spaces[space as usize]
    }

    /// Returns the folder a failing read of `space` concerns.
    pub(super) fn folder_of(&self, space: Space) -> PathBuf {
        self.space(space).path().to_owned()
    }

    fn last_commit(&self) -> Result<CommitMarker, StoreError> {
        let row = self
            .space(Space::Small)
            .get(CommitMarker::key())
            .map_err(|error| translate(error, "read", &self.folder_of(Space::Small)))?;
        match row {
            None => Ok(CommitMarker::default()),
            Some(value) => CommitMarker::decode(&CommitMarker::key(), &value).ok_or(StoreError::Damaged {
                path: self.folder_of(Space::Small),
                detail: "the number of the last commit is not readable".to_owned(),
            }),
        }
    }

    /// Says whether a background thread failed; the engine takes no writes then.
    pub(super) fn is_poisoned(&self) -> bool {
        matches!(self.database.persist(PersistMode::Buffer), Err(fjall::Error::Poisoned))
    }

    /// Hands full write buffers over to be written out.
    ///
    /// The engine would do so by itself, with a message to its threads for every commit that finds a buffer full. Such
    /// messages can fill the queue while the threads merge; a thread that then hands over a buffer waits for room in the
    /// queue that only it can make, and every later commit waits with it. So no buffer may ever be full by the engine's
    /// measure, see [`Space::options`].
    pub(super) fn hand_over_full_buffers(&self) -> Result<(), StoreError> {
        for (space, keyspace) in Space::ALL.into_iter().zip(&self.spaces) {
            if keyspace.tree.active_memtable().size() >= self.budget.memtable(space) {
                keyspace.rotate_memtable().map_err(|error| translate(error, "write", keyspace.path()))?;
            }
        }
        Ok(())
    }

    /// Waits until a commit fits without the engine stopping it, so that a commit never waits for dead threads.
    pub(super) fn wait_for_room(&self) -> Result<(), StoreError> {
        let has_room = |space: &Keyspace| {
            space.sealed_memtable_count() <= WAITING_BUFFERS && space.tree.l0_run_count() < UNMERGED_TABLES
        };
        while !self.spaces.iter().all(has_room) {
            if self.is_poisoned() {
                let cause = BACKGROUND_FAILURE.to_owned();
                return Err(StoreError::ReadOnly { path: self.folder.clone(), cause });
            }
            thread::sleep(ROOM_POLL);
        }
        Ok(())
    }

    /// Says whether tables are being written or merged.
    pub(super) fn is_busy(&self) -> bool {
        self.database.outstanding_flushes() > 0
            || self.database.active_compactions() > 0
            || self.spaces.iter().any(|space| space.sealed_memtable_count() > 0)
    }

    /// Merges all of a keyspace into its last level, which takes deleted rows and old versions away.
    pub(super) fn merge(&self, space: Space) -> Result<(), StoreError> {
        let space = self.space(space);
        let fail = |error| translate(error, "merge", space.path());
        space.rotate_memtable().map_err(fail)?;
        if self.written_out(std::slice::from_ref(space)) {
            space.major_compact().map_err(fail)?;
        }
        Ok(())
    }

    /// Waits until the full write buffers of some keyspaces are in tables; false when that takes too long or the
    /// engine's threads have died.
    fn written_out(&self, spaces: &[Keyspace]) -> bool {
        let deadline = Instant::now() + REST_DEADLINE;
        while spaces.iter().any(|space| space.sealed_memtable_count() > 0) {
            if self.is_poisoned() || Instant::now() > deadline {
                return false;
            }
            thread::sleep(ROOM_POLL);
        }
        true
    }

    /// Writes everything into tables, so that the journal is not needed any more. True when that worked out.
    pub(super) fn settle(&self) -> Result<bool, StoreError> {
        let fail = |error| translate(error, "write", &self.folder);
        self.database.persist(PersistMode::SyncAll).map_err(fail)?;
        for space in &self.spaces {
            space.rotate_memtable().map_err(fail)?;
        }
        Ok(self.written_out(&self.spaces)
            && self.spaces.iter().all(|space| space.tree.get_highest_memtable_seqno().is_none()))
    }
}
