//! The engine on disk.

mod commit_marker;
mod engine;
mod failure;
mod fjall_snapshot;
mod journal;
mod layout;
mod memory_budget;
mod remains;
mod rows;
mod table_check;

pub(crate) use fjall_snapshot::is_empty_range;
pub use memory_budget::MemoryBudget;

use crate::folder_lock::FolderLock;
use crate::{EngineKind, OpenError, durable_file, engine_marker};
use cluster_core::ports::datastore::{Batch, Datastore, Durability, Snapshot, StoreError};
use commit_marker::CommitMarker;
use engine::Engine;
use fjall::{OwnedWriteBatch, PersistMode};
use fjall_snapshot::{FjallSnapshot, View};
use layout::Space;
use remains::Remains;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// Longest wait of [`Datastore::recover`] for open snapshots before it gives up for now.
const READERS_DEADLINE: Duration = Duration::from_millis(500);
/// How often it looks.
const READERS_POLL: Duration = Duration::from_millis(2);
/// Bytes written and synced to see whether the disk takes data again.
const PROBE_LEN: usize = 1024 * 1024;

/// A [`Datastore`] over fjall.
///
/// * A flushed commit is one journal batch and one `fdatasync`. The journal is preallocated; where it grows past
///   that, `fdatasync` also writes the size, since the data could not be read without it.
/// * A lazy commit is one journal batch handed to the system. The journal is one log, so what survives is a prefix.
/// * Snapshots show the state after a commit, never a part of one.
/// * After a failed write the store is read-only; the old handle goes on serving reads until
///   [`Datastore::recover`] reopens the files.
pub struct FjallStore {
    folder: PathBuf,
    budget: MemoryBudget,
    lock: Arc<FolderLock>,
    writer: Mutex<CommitMarker>,
    state: RwLock<State>,
    remains: Remains,
}

enum State {
    Open { engine: Arc<Engine>, view: Arc<View> },
    Failed { engine: Option<(Arc<Engine>, Arc<View>)>, cause: String },
    Closed,
}

impl FjallStore {
    /// Opens the store in `folder` (created when empty) with `memory_budget` bytes for caches and buffers. A torn,
    /// never synced end of its journal is cut.
    ///
    /// # Errors
    /// [`OpenError::OtherEngine`]; [`StoreError::Locked`] while another handle or process has it open;
    /// [`StoreError::Damaged`] naming the file; [`StoreError::DiskFull`] and other errors of the disk.
    pub fn open(folder: &Path, memory_budget: u64) -> Result<Self, OpenError> {
        durable_file::create_folder(folder)?;
        let lock = Arc::new(FolderLock::take(folder)?);
        let budget = MemoryBudget::new(memory_budget);
        let database = folder.join("db");
        let complete = engine_marker::check(folder, EngineKind::Fjall)?;
        if complete && !database.is_dir() {
            let detail = "the folder is missing".to_owned();
            return Err(StoreError::Damaged { path: database, detail }.into());
        }
        if !complete {
            remove_unfinished(folder, &database)?;
        }
        let (engine, last) = Engine::open(&database, budget, Arc::clone(&lock), complete)?;
        if !complete {
            // The engine does not sync the names of the folders it makes; without them a journal is worth nothing.
            durable_file::sync_folders(&database)?;
            engine_marker::write(folder, EngineKind::Fjall)?;
        }
        let engine = Arc::new(engine);
        let view = View::take(&engine);
        Ok(Self {
            folder: folder.to_owned(),
            budget,
            lock,
            writer: Mutex::new(synced(last)),
            state: RwLock::new(State::Open { engine, view }),
            remains: Remains::default(),
        })
    }

    fn writer(&self) -> MutexGuard<'_, CommitMarker> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_only(&self, cause: &str) -> StoreError {
        StoreError::ReadOnly { path: self.folder.clone(), cause: cause.to_owned() }
    }

    /// Returns the engine if it takes writes.
    fn engine(&self) -> Result<Arc<Engine>, StoreError> {
        match &*self.state() {
            State::Open { engine, .. } => Ok(Arc::clone(engine)),
            State::Failed { cause, .. } => Err(self.read_only(cause)),
            State::Closed => Err(StoreError::Closed),
        }
    }

    /// Stops writes after `error` and passes it on.
    fn fail(&self, error: StoreError) -> StoreError {
        let cause = match &error {
            StoreError::ReadOnly { cause, .. } => cause.clone(),
            StoreError::Io { action, path, source } => {
                format!("cannot {action} {}: {source}", path.display())
            }
            other => other.to_string(),
        };
        let mut state = self.state_mut();
        *state = match std::mem::replace(&mut *state, State::Closed) {
            State::Open { engine, view } => {
                tracing::error!(store = %self.folder.display(), %cause, "the store takes no writes any more");
                State::Failed { engine: Some((engine, view)), cause }
            }
            other => other,
        };
        error
    }

    fn persist(&self, writer: &mut CommitMarker, engine: &Engine) -> Result<(), StoreError> {
        match engine.database.persist(PersistMode::SyncData) {
            Ok(()) => {
                *writer = synced(*writer);
                Ok(())
            }
            Err(error) => Err(self.fail(failure::translate(error, "sync", &self.folder))),
        }
    }

    /// Shows the state of now to new snapshots. The caller holds the writer's lock, so no commit is under way.
    fn publish(&self, _writer: &MutexGuard<'_, CommitMarker>) {
        let mut state = self.state_mut();
        if let State::Open { engine, view } = &mut *state {
            *view = View::take(engine);
        }
    }

    /// Lets old versions go while nobody writes.
    fn refresh(&self) {
        if let Ok(writer) = self.writer.try_lock() {
            self.publish(&writer);
        }
    }

    /// Takes the engine away from readers to come; none while some still read.
    fn take_engine(&self) -> Result<(), StoreError> {
        let mut state = self.state_mut();
        let State::Failed { engine, cause } = &mut *state else { return Ok(()) };
        let Some((engine, view)) = engine.take() else { return Ok(()) };
        let deadline = Instant::now() + READERS_DEADLINE;
        // The view itself holds the second reference.
        while Arc::strong_count(&view) > 1 || Arc::strong_count(&engine) > 2 {
            if Instant::now() > deadline {
                let error = self.read_only(&format!("{cause}; open snapshots still hold the old files"));
                *state = State::Failed { engine: Some((engine, view)), cause: cause.clone() };
                return Err(error);
            }
            std::thread::sleep(READERS_POLL);
        }
        drop(view);
        drop(engine);
        Ok(())
    }
}

impl Datastore for FjallStore {
    fn engine(&self) -> &'static str {
        EngineKind::Fjall.name()
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        match &*self.state() {
            State::Open { view, .. } | State::Failed { engine: Some((_, view)), .. } => {
                Ok(Box::new(FjallSnapshot(Arc::clone(view))))
            }
            State::Failed { engine: None, cause } => Err(self.read_only(cause)),
            State::Closed => Err(StoreError::Closed),
        }
    }

    /// Writes go on beside it, but the engine keeps every write buffer and table of the meantime until it is
    /// dropped: memory grows with what is written (about 0.8 GiB for 500,000 pins).
    fn long_snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.snapshot()
    }

    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let mut writer = self.writer();
        let engine = self.engine()?;
        if batch.is_empty() {
            return match durability {
                Durability::Flushed => self.persist(&mut writer, &engine),
                Durability::Lazy => Ok(()),
            };
        }
        let rows = rows::deduplicated(batch, &self.folder)?;
        engine
            .hand_over_full_buffers()
            .and_then(|()| engine.wait_for_room())
            .map_err(|error| self.fail(error))?;
        let marker = CommitMarker { number: writer.number + 1, synced: writer.synced };
        let mode = match durability {
            Durability::Flushed => PersistMode::SyncData,
            Durability::Lazy => PersistMode::Buffer,
        };
        let mut prepared =
            OwnedWriteBatch::with_capacity(engine.database.clone(), rows.len() + 1).durability(Some(mode));
        prepared.insert(engine.space(Space::Small), CommitMarker::key(), marker.value());
        let deleted = rows.iter().filter(|row| row.space == Space::Indexes && row.value.is_none()).count();
        for row in rows {
            match row.value {
                Some(value) => prepared.insert(engine.space(row.space), row.key, value),
                None => prepared.remove(engine.space(row.space), row.key),
            }
        }
        if let Err(error) = prepared.commit() {
            return Err(self.fail(failure::translate(error, "write", &self.folder)));
        }
        *writer = match durability {
            Durability::Flushed => synced(marker),
            Durability::Lazy => marker,
        };
        self.remains.add(deleted);
        self.publish(&writer);
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        let mut writer = self.writer();
        let engine = self.engine()?;
        self.persist(&mut writer, &engine)
    }

    fn recover(&self) -> Result<(), StoreError> {
        let mut writer = self.writer();
        match &*self.state() {
            State::Open { engine, .. } if !engine.is_poisoned() => return Ok(()),
            State::Open { .. } | State::Failed { .. } => {}
            State::Closed => return Err(StoreError::Closed),
        }
        // A background thread may have failed without any commit noticing yet.
        self.fail(self.read_only(failure::BACKGROUND_FAILURE));
        probe(&self.folder)?;
        self.take_engine()?;
        let database = self.folder.join("db");
        let (engine, last) = Engine::open(&database, self.budget, Arc::clone(&self.lock), true)?;
        let engine = Arc::new(engine);
        let view = View::take(&engine);
        *writer = synced(last);
        *self.state_mut() = State::Open { engine, view };
        tracing::info!(store = %self.folder.display(), last_commit = last.number, "the store takes writes again");
        Ok(())
    }

    fn disk_usage(&self) -> Result<u64, StoreError> {
        self.refresh();
        durable_file::occupied(&self.folder)
    }

    fn is_compacting(&self) -> bool {
        self.refresh();
        matches!(&*self.state(), State::Open { engine, .. } if engine.is_busy())
    }

    fn tidy(&self) -> Result<(), StoreError> {
        let (engine, last) = {
            let writer = self.writer();
            (self.engine()?, writer.number)
        };
        let rows = engine.space(Space::Indexes).approximate_len() as u64;
        if self.remains.are_due(last, rows) {
            engine.merge(Space::Indexes)?;
        }
        // A view goes on reading the tables of its time, and so keeps merged ones on the disk.
        self.refresh();
        Ok(())
    }

    fn close(&self) -> Result<(), StoreError> {
        let _writer = self.writer();
        let state = std::mem::replace(&mut *self.state_mut(), State::Closed);
        let (engine, view) = match state {
            State::Open { engine, view } => (engine, view),
            State::Failed { cause, .. } => return Err(self.read_only(&cause)),
            State::Closed => return Ok(()),
        };
        drop(view);
        let settled = engine.settle()?;
        drop(engine);
        if settled && let Some(active) = journal::list(&self.folder.join("db"))?.last() {
            // Everything is in tables: an empty journal makes for a quick start.
            journal::truncate(active, 0)?;
        }
        Ok(())
    }
}

/// Everything that was read back at opening is on the disk: the journal was synced then.
fn synced(marker: CommitMarker) -> CommitMarker {
    CommitMarker { number: marker.number, synced: marker.number }
}

/// Removes what an interrupted creation left; refuses when there is anything in it.
fn remove_unfinished(folder: &Path, database: &Path) -> Result<(), StoreError> {
    if !database.is_dir() {
        return Ok(());
    }
    if journal::repair(database)?.last.is_some() || holds_tables(database)? {
        let detail = "the file is missing, though the store holds rows".to_owned();
        return Err(StoreError::Damaged { path: folder.join("ENGINE"), detail });
    }
    durable_file::remove_folder(database)
}

/// Says whether any keyspace but the engine's own, number 0, has a table.
fn holds_tables(database: &Path) -> Result<bool, StoreError> {
    let keyspaces = database.join("keyspaces");
    for keyspace in durable_file::entries(&keyspaces)? {
        let is_own = keyspace.file_name().is_some_and(|name| name == "0");
        if !is_own && !durable_file::entries(&keyspace.join("tables"))?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes and syncs a little, to see whether the disk takes data before the old handle is given up.
fn probe(folder: &Path) -> Result<(), StoreError> {
    let path = folder.join("PROBE");
    let written = std::fs::write(&path, vec![0xa5; PROBE_LEN])
        .and_then(|()| std::fs::File::open(&path).and_then(|file| file.sync_all()));
    let removed = std::fs::remove_file(&path);
    written.and(removed).map_err(|error| StoreError::io("write", path, error))
}

#[cfg(test)]
mod tests;
