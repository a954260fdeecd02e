//! The folder `store/`: one current generation of the state, named by the file `CURRENT`, and those being built.

mod build_purpose;
mod building;

pub use build_purpose::BuildPurpose;
pub use building::Building;

use crate::{
    EngineKind, FjallStore, MemoryStore, OpenError, StoreOptions, durable_file, folder_lock::FolderLock,
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

/// The generations of one peer's state. Holds the lock of the folder until it and everything built from it is
/// dropped.
#[derive(Debug)]
pub struct Generations {
    root: PathBuf,
    options: StoreOptions,
    current: String,
    lock: Arc<FolderLock>,
}

impl Generations {
    /// Opens the folder, made when there is none, and removes what an interrupted build or flip left behind.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while somebody else has it; [`StoreError::Damaged`] when `CURRENT` names nothing.
    pub fn open(root: &Path, options: StoreOptions) -> Result<Self, OpenError> {
        durable_file::create_folder(root)?;
        let lock = Arc::new(FolderLock::take(root)?);
        let current = match durable_file::read(&root.join(CURRENT))? {
            Some(name) => {
                let name = name.trim_end().to_owned();
                if number(&name).is_none() || !root.join(&name).is_dir() {
                    let detail = format!("it names the generation {name:?}, which is not there");
                    return Err(StoreError::Damaged { path: root.join(CURRENT), detail }.into());
                }
                name
            }
            None => {
                let name = "1".to_owned();
                durable_file::create_folder(&root.join(&name))?;
                durable_file::replace(&root.join(CURRENT), &format!("{name}\n"))?;
                name
            }
        };
        let generations = Self { root: root.to_owned(), options, current, lock };
        generations.remove_leftovers()?;
        Ok(generations)
    }

    /// Removes generations that nothing will go on with: unfinished ones whose purpose starts afresh, and old
    /// ones that a flip did not get round to removing.
    fn remove_leftovers(&self) -> Result<(), OpenError> {
        for name in self.names()? {
            if name == self.current || self.resumable_purpose(&name)?.is_some() {
                continue;
            }
            let folder = self.root.join(&name);
            tracing::info!(target: "service", folder = %folder.display(), "removing a generation that is not in use");
            durable_file::remove_folder(&folder)?;
        }
        Ok(())
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
        let text = durable_file::read(&self.root.join(name).join(BUILDING))?;
        Ok(text.as_deref().and_then(BuildPurpose::parse).filter(BuildPurpose::is_resumable))
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

    /// Opens the current generation.
    ///
    /// # Errors
    /// As the engine says.
    pub fn current(&self) -> Result<Arc<dyn Datastore>, OpenError> {
        open_engine(&self.root.join(&self.current), self.options)
    }

    /// Starts a new generation beside the current one.
    ///
    /// # Errors
    /// As the disk and the engine say.
    pub fn build(&self, purpose: BuildPurpose) -> Result<Building, OpenError> {
        let highest = self.names()?.iter().filter_map(|name| number(name)).max().unwrap_or(0);
        let name = (highest + 1).to_string();
        let folder = self.root.join(&name);
        durable_file::create_folder(&folder)?;
        durable_file::replace(&folder.join(BUILDING), &purpose.text(None))?;
        let store = open_engine(&folder, self.options)?;
        let old = self.root.join(&self.current);
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
        EngineKind::Memory => Ok(Arc::new(MemoryStore::new())),
    }
}
