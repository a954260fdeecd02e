//! The folder `store/`: one current generation of the state, named by the file `CURRENT`, and those being built.

mod build_purpose;
mod building;

pub use build_purpose::BuildPurpose;
pub use building::Building;

use crate::{
    EngineKind, FjallStore, MemoryStore, OpenError, SledStore, StoreOptions, durable_file, engine_marker,
    folder_lock::FolderLock,
};
use cluster_core::ports::datastore::{Datastore, StoreError};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// File that names the current generation.
const CURRENT: &str = "CURRENT";

/// File inside a generation that is not complete.
const BUILDING: &str = "BUILDING";

/// File inside a generation that is complete, until an opening has told that it is the current one.
const BUILT: &str = "BUILT";

/// The first generation of an empty folder.
const FIRST: &str = "1";

/// The generations of one peer's state. Holds the lock of the folder until it and everything built from it is
/// dropped.
#[derive(Debug)]
pub struct Generations {
    root: PathBuf,
    options: StoreOptions,
    lock: Arc<FolderLock>,
}

impl Generations {
    /// Opens the folder, made when there is none, removes what an interrupted build or flip left behind, and tells in the
    /// log which state is in use after either.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while somebody else has it; [`StoreError::Damaged`] when `CURRENT` names nothing, or is
    /// missing though there are generations.
    pub fn open(root: &Path, options: StoreOptions) -> Result<Self, OpenError> {
        durable_file::create_folder(root)?;
        let lock = Arc::new(FolderLock::take(root)?);
        let generations = Self { root: root.to_owned(), options, lock };
        if durable_file::read(&root.join(CURRENT))?.is_none() {
            generations.create_first()?;
        }
        generations.remove_leftovers()?;
        Ok(generations)
    }

    /// Makes the first generation. Beside others that would hide, and then remove, somebody's state.
    fn create_first(&self) -> Result<(), StoreError> {
        let names = self.names()?;
        let folder = self.root.join(FIRST);
        // An interrupted creation leaves the folder, empty.
        let is_unused = fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_none());
        if !(names.is_empty() || (names == [FIRST] && is_unused)) {
            let detail = format!("the file is missing, but there are generations: {}", names.join(", "));
            return Err(StoreError::Damaged { path: self.root.join(CURRENT), detail });
        }
        durable_file::create_folder(&folder)?;
        durable_file::replace(&self.root.join(CURRENT), &format!("{FIRST}\n"))
    }

    /// Reads which generation is the current one. A build that finished since the opening changed it.
    fn current_name(&self) -> Result<String, StoreError> {
        let path = self.root.join(CURRENT);
        let text = durable_file::read(&path)?.unwrap_or_default();
        let name = text.trim_end();
        if number(name).is_none() || !self.root.join(name).is_dir() {
            let name: String = name.chars().take(32).collect();
            let detail = format!("it names the generation {name:?}, which is not there");
            return Err(StoreError::Damaged { path, detail });
        }
        Ok(name.to_owned())
    }

    /// Removes generations that nothing will go on with: unfinished ones whose purpose starts afresh, and old
    /// ones that a flip did not get round to removing.
    fn remove_leftovers(&self) -> Result<(), OpenError> {
        let current = self.current_name()?;
        if let Some(purpose) = self.note(&current, BUILT)? {
            tracing::info!(target: "service", "{purpose} is complete: its state is in use");
            durable_file::remove(&self.root.join(&current).join(BUILT))?;
        }
        for name in self.names()? {
            if name == current || self.resumable_purpose(&name)?.is_some() {
                continue;
            }
            let folder = self.root.join(&name);
            let interrupted = self.note(&name, BUILDING)?.or(self.note(&name, BUILT)?);
            if interrupted.is_some() || number(&name) > number(&current) {
                // What was killed right away had no time to write down what it was.
                let what =
                    interrupted.map_or("a change of the whole state".to_owned(), |what| what.to_string());
                tracing::warn!(
                    target: "service",
                    "{what} was interrupted before it was complete: the state before it is in use, unchanged"
                );
            }
            tracing::info!(target: "service", folder = %folder.display(), "removing a generation that is not in use");
            durable_file::remove_folder(&folder)?;
        }
        Ok(())
    }

    /// Reads what a generation is or was built for.
    fn note(&self, name: &str, file: &str) -> Result<Option<BuildPurpose>, StoreError> {
        let text = durable_file::read(&self.root.join(name).join(file))?;
        Ok(text.as_deref().and_then(BuildPurpose::parse))
    }

    fn names(&self) -> Result<Vec<String>, StoreError> {
        let entries = fs::read_dir(&self.root).map_err(|e| StoreError::io("read", &self.root, e))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| StoreError::io("read", &self.root, e))?;
            names.extend(entry.file_name().into_string().ok().filter(|name| number(name).is_some()));
        }
        Ok(names)
    }

    fn resumable_purpose(&self, name: &str) -> Result<Option<BuildPurpose>, StoreError> {
        Ok(self.note(name, BUILDING)?.filter(BuildPurpose::is_resumable))
    }

    /// Lists unfinished generations that go on where they were.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn resumable(&self) -> Result<Vec<(PathBuf, BuildPurpose)>, StoreError> {
        let mut found = Vec::new();
        for name in self.names()? {
            if let Some(purpose) = self.resumable_purpose(&name)? {
                found.push((self.root.join(name), purpose));
            }
        }
        Ok(found)
    }

    /// Opens the current generation. There is one handle at a time: close it and drop its snapshots before the next.
    /// A store in memory begins empty each time.
    ///
    /// # Errors
    /// As the engine says.
    pub fn current(&self) -> Result<Arc<dyn Datastore>, OpenError> {
        open_engine(&self.root.join(self.current_name()?), self.options)
    }

    /// Starts a new generation beside the current one.
    ///
    /// # Errors
    /// As the disk and the engine say.
    pub fn build(&self, purpose: BuildPurpose) -> Result<Building, OpenError> {
        let highest = self.names()?.iter().filter_map(|name| number(name)).max().unwrap_or(0);
        let folder = self.root.join((highest + 1).to_string());
        durable_file::create_folder(&folder)?;
        durable_file::replace(&folder.join(BUILDING), &purpose.text(None))?;
        self.open_building(&folder, purpose)
    }

    /// Goes on with an unfinished generation that [`Generations::resumable`] listed;
    /// [`Building::position`] says where.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the folder is none that can be gone on with; else as the engine says.
    pub fn resume(&self, folder: &Path) -> Result<Building, OpenError> {
        let found = self.resumable()?.into_iter().find(|(known, _)| known == folder);
        let Some((folder, purpose)) = found else {
            let detail = "it is no unfinished generation that can be gone on with".to_owned();
            return Err(StoreError::Damaged { path: folder.to_owned(), detail }.into());
        };
        self.open_building(&folder, purpose)
    }

    fn open_building(&self, folder: &Path, purpose: BuildPurpose) -> Result<Building, OpenError> {
        let store = open_engine(folder, self.options)?;
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let old = self.root.join(self.current_name()?);
        Ok(Building::new(self.root.clone(), name, old, purpose, store, Arc::clone(&self.lock)))
    }
}

/// Reads the number that names a generation's folder.
fn number(name: &str) -> Option<u64> {
    name.parse::<u64>().ok().filter(|n| n.to_string() == name)
}

fn open_engine(folder: &Path, options: StoreOptions) -> Result<Arc<dyn Datastore>, OpenError> {
    match options.engine {
        EngineKind::Fjall => Ok(Arc::new(FjallStore::open(folder, options.memory_budget)?)),
        EngineKind::Sled => Ok(Arc::new(SledStore::open(folder, options.memory_budget)?)),
        EngineKind::Memory => {
            if !engine_marker::check(folder, EngineKind::Memory)? {
                engine_marker::write(folder, EngineKind::Memory)?;
            }
            Ok(Arc::new(MemoryStore::new()))
        }
    }
}
