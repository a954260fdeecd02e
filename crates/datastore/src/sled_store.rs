//! The other engine on disk.

mod data_files;
mod engine;
mod failure;
mod open_tree;
mod pieces;
mod recent;
mod sled_snapshot;
mod views;
mod waker;

use crate::folder_lock::FolderLock;
use crate::gate::Gate;
use crate::{EngineKind, OpenError, durable_file, engine_marker};
use cluster_core::ports::datastore::{Batch, Datastore, Durability, Snapshot, StoreError};
use engine::Engine;
use sled_snapshot::SledSnapshot;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Folder of the engine inside that of the store.
const DATABASE: &str = "sled";
/// The engine's cache grows to several times its setting, and what it knows about each page comes on top.
const BUDGET_PER_CACHE: u64 = 4;
/// Least cache that still helps, in bytes.
const SMALLEST_CACHE: u64 = 4 * 1024 * 1024;
/// Lazy commits that wait in memory before one of them is flushed unasked, in bytes.
const MOST_PENDING: usize = 4 * 1024 * 1024;
/// A log with so few bytes in it cannot hold a row: it is what a creation that was interrupted leaves.
const UNUSED_LOG: usize = 4096;
/// Bytes written and synced to see whether the disk takes data again. Opening fills the log's last segment up and notes
/// where each page is.
const PROBE_LEN: usize = 4 * pieces::SEGMENT;

/// A [`Datastore`] over sled.
///
/// * A flushed commit is one atomic batch of the engine, its flush and a `fdatasync`: its own flush does not sync.
/// * A lazy commit stays in memory until the next flushed one, and goes to the engine in the same batch.
/// * The engine has no snapshots: the versions of rows that open ones show are kept in memory beside it. Beside a long
///   snapshot commits are answered with [`StoreError::Busy`].
/// * All trees are in one of the engine's.
/// * After a failed write the store is read-only; the old handle goes on serving reads, as far as the engine lets it,
///   until [`Datastore::recover`] reopens the files.
///
/// A quarter of the memory it is given is the engine's cache. The engine also keeps a little of each page in memory, so
/// what it needs grows with the store.
pub struct SledStore {
    folder: PathBuf,
    cache: u64,
    lock: Arc<FolderLock>,
    /// Held by the one that writes.
    writer: Mutex<()>,
    gate: Gate<Arc<Engine>>,
}

impl SledStore {
    /// Opens the store in `folder` (created when empty) with `memory_budget` bytes for caches and buffers. A torn, never
    /// synced end of its log is cut.
    ///
    /// # Errors
    /// [`OpenError::OtherEngine`]; [`StoreError::Locked`] while another handle or process has it open;
    /// [`StoreError::Damaged`] naming file or folder; [`StoreError::DiskFull`] and other errors of the disk.
    pub fn open(folder: &Path, memory_budget: u64) -> Result<Self, OpenError> {
        durable_file::create_folder(folder)?;
        let lock = Arc::new(FolderLock::take(folder)?);
        let cache = (memory_budget / BUDGET_PER_CACHE).max(SMALLEST_CACHE);
        let complete = engine_marker::check(folder, EngineKind::Sled)?;
        if !complete {
            remove_unfinished(folder, cache)?;
        }
        let engine = Engine::open(&folder.join(DATABASE), cache, Arc::clone(&lock), complete)?;
        if !complete {
            durable_file::sync_folder(folder)?;
            engine_marker::write(folder, EngineKind::Sled)?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            cache,
            lock,
            writer: Mutex::new(()),
            gate: Gate::new(folder, Arc::new(engine)),
        })
    }

    fn writer(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flush(&self, engine: &Engine, _writer: &MutexGuard<'_, ()>) -> Result<(), StoreError> {
        engine.flush().map_err(|error| self.gate.fail(error))
    }

    /// Opens the closed engine once more: that is when it notes where each page is. The next start then reads nothing of its
    /// log but that note; it is quick, and pages that were damaged meanwhile are found out when they are read.
    fn arrange(&self) {
        let arranged = Engine::open(&self.folder.join(DATABASE), self.cache, Arc::clone(&self.lock), true);
        if let Err(error) = arranged {
            // Everything is durable; the next start tells more.
            tracing::warn!(store = %self.folder.display(), %error, "the store was closed, but not for a quick start");
        }
    }

    fn view(&self, is_long: bool) -> Result<Box<dyn Snapshot>, StoreError> {
        let engine = self.gate.readable(Arc::clone)?;
        Ok(Box::new(SledSnapshot::take(engine, is_long)))
    }
}

impl Datastore for SledStore {
    fn engine(&self) -> &'static str {
        EngineKind::Sled.name()
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.view(false)
    }

    /// Commits are refused until it is dropped: each would keep old versions of its rows in memory.
    fn long_snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.view(true)
    }

    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let writer = self.writer();
        let engine = self.gate.writable(Arc::clone)?;
        if batch.is_empty() {
            return match durability {
                Durability::Flushed => self.flush(&engine, &writer),
                Durability::Lazy => Ok(()),
            };
        }
        if engine.is_exported() {
            return Err(StoreError::Busy);
        }
        engine.stage(batch).map_err(|error| self.gate.fail(error))?;
        match durability {
            Durability::Lazy if engine.pending_bytes() < MOST_PENDING => {
                engine.show();
                Ok(())
            }
            Durability::Lazy | Durability::Flushed => self.flush(&engine, &writer),
        }
    }

    fn sync(&self) -> Result<(), StoreError> {
        let writer = self.writer();
        let engine = self.gate.writable(Arc::clone)?;
        self.flush(&engine, &writer)
    }

    fn recover(&self) -> Result<(), StoreError> {
        let _writer = self.writer();
        match self.gate.writable(|engine| engine.is_exported()) {
            Ok(false) => return Ok(()),
            Ok(true) => return Err(StoreError::Busy),
            Err(StoreError::Closed) => return Err(StoreError::Closed),
            Err(_) => {}
        }
        self.gate.probe(PROBE_LEN)?;
        // Each snapshot holds a reference.
        self.gate.give_up(|engine| Arc::strong_count(engine) > 1)?;
        let engine = Engine::open(&self.folder.join(DATABASE), self.cache, Arc::clone(&self.lock), true)?;
        self.gate.reopen(Arc::new(engine));
        tracing::info!(store = %self.folder.display(), "the store takes writes again");
        Ok(())
    }

    fn disk_usage(&self) -> Result<u64, StoreError> {
        durable_file::occupied(&self.folder)
    }

    /// The engine moves pages while it writes, and at no other time.
    fn is_compacting(&self) -> bool {
        false
    }

    /// Deleted rows leave nothing behind in the engine; versions that a dropped snapshot showed go now.
    fn tidy(&self) -> Result<(), StoreError> {
        self.gate.writable(Arc::clone)?.prune();
        Ok(())
    }

    fn close(&self) -> Result<(), StoreError> {
        let _writer = self.writer();
        let Some(engine) = self.gate.close()? else { return Ok(()) };
        engine.flush()?;
        // Not while snapshots read from it.
        if let Some(engine) = Arc::into_inner(engine) {
            drop(engine);
            self.arrange();
        }
        Ok(())
    }
}

/// Removes what an interrupted creation left; refuses when there is anything in it.
fn remove_unfinished(folder: &Path, cache: u64) -> Result<(), StoreError> {
    let database = folder.join(DATABASE);
    if !database.is_dir() {
        return Ok(());
    }
    let log = database.join(data_files::LOG);
    let holds_rows = match log.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(StoreError::io("read", log, error)),
        Ok(found) => match Engine::holds_rows(&database, cache) {
            Ok(holds_rows) => holds_rows,
            // It is not even complete enough to be opened, or it is damaged.
            Err(_) if found.len() > pieces::SEGMENT as u64 => true,
            Err(_) => {
                let bytes = std::fs::read(&log).map_err(|error| StoreError::io("read", &log, error))?;
                bytes.iter().skip(UNUSED_LOG).any(|byte| *byte != 0)
            }
        },
    };
    if !holds_rows {
        return durable_file::remove_folder(&database);
    }
    let detail = "the file is missing, though the store holds rows".to_owned();
    Err(StoreError::Damaged { path: folder.join("ENGINE"), detail })
}

#[cfg(test)]
mod tests;
