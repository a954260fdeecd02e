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

pub use memory_budget::MemoryBudget;

use crate::folder_lock::FolderLock;
use crate::gate::Gate;
use crate::{EngineKind, OpenError, durable_file, engine_marker};
use cluster_core::ports::datastore::{Batch, Datastore, Durability, Snapshot, StoreError};
use commit_marker::CommitMarker;
use engine::Engine;
use fjall::{OwnedWriteBatch, PersistMode};
use fjall_snapshot::{FjallSnapshot, View};
use layout::Space;
use remains::Remains;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    gate: Gate<Opened>,
    remains: Remains,
}

/// What is open: dropped in this order.
struct Opened {
    view: Arc<View>,
    engine: Arc<Engine>,
}

impl Opened {
    fn new(engine: Engine) -> Self {
        let engine = Arc::new(engine);
        Self { view: View::take(&engine), engine }
    }

    /// Says whether anybody else uses it. The view itself holds the second reference to the engine.
    fn is_read(&self) -> bool {
        Arc::strong_count(&self.view) > 1 || Arc::strong_count(&self.engine) > 2
    }
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
        Ok(Self {
            folder: folder.to_owned(),
            budget,
            lock,
            writer: Mutex::new(synced(last)),
            gate: Gate::new(folder, Opened::new(engine)),
            remains: Remains::default(),
        })
    }

    fn writer(&self) -> MutexGuard<'_, CommitMarker> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the engine if it takes writes.
    fn engine(&self) -> Result<Arc<Engine>, StoreError> {
        self.gate.writable(|opened| Arc::clone(&opened.engine))
    }

    fn persist(&self, writer: &mut CommitMarker, engine: &Engine) -> Result<(), StoreError> {
        match engine.database.persist(PersistMode::SyncData) {
            Ok(()) => {
                *writer = synced(*writer);
                Ok(())
            }
            Err(error) => Err(self.gate.fail(failure::translate(error, "sync", &self.folder))),
        }
    }

    /// Shows the state of now to new snapshots. The caller holds the writer's lock, so no commit is under way.
    fn publish(&self, _writer: &MutexGuard<'_, CommitMarker>) {
        self.gate.change(|opened| opened.view = View::take(&opened.engine));
    }

    /// Lets old versions go while nobody writes.
    fn refresh(&self) {
        if let Ok(writer) = self.writer.try_lock() {
            self.publish(&writer);
        }
    }
}

impl Datastore for FjallStore {
    fn engine(&self) -> &'static str {
        EngineKind::Fjall.name()
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        let view = self.gate.readable(|opened| Arc::clone(&opened.view))?;
        Ok(Box::new(FjallSnapshot(view)))
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
            .map_err(|error| self.gate.fail(error))?;
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
            return Err(self.gate.fail(failure::translate(error, "write", &self.folder)));
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
        match self.gate.writable(|opened| opened.engine.is_poisoned()) {
            Ok(false) => return Ok(()),
            // A background thread failed without any commit noticing yet.
            Ok(true) => drop(self.gate.fail(self.gate.read_only(failure::BACKGROUND_FAILURE))),
            Err(StoreError::Closed) => return Err(StoreError::Closed),
            Err(_) => {}
        }
        self.gate.probe(PROBE_LEN)?;
        self.gate.give_up(Opened::is_read)?;
        let database = self.folder.join("db");
        let (engine, last) = Engine::open(&database, self.budget, Arc::clone(&self.lock), true)?;
        *writer = synced(last);
        self.gate.reopen(Opened::new(engine));
        tracing::info!(store = %self.folder.display(), last_commit = last.number, "the store takes writes again");
        Ok(())
    }

    fn disk_usage(&self) -> Result<u64, StoreError> {
        self.refresh();
        durable_file::occupied(&self.folder)
    }

    fn is_compacting(&self) -> bool {
        self.refresh();
        self.gate.writable(|opened| opened.engine.is_busy()).unwrap_or(false)
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
        let Some(Opened { view, engine }) = self.gate.close()? else { return Ok(()) };
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

#[cfg(test)]
mod tests;
