//! A generation that is being built.

use super::{BUILDING, BUILT, BuildPurpose, CURRENT};
use crate::{durable_file, folder_lock::FolderLock};
use cluster_core::ports::datastore::{Datastore, StoreError};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// A generation beside the current one. Dropping it without [`Building::finish`] removes it, unless its purpose
/// goes on after a restart.
pub struct Building {
    root: PathBuf,
    name: String,
    old: PathBuf,
    purpose: BuildPurpose,
    store: Option<Arc<dyn Datastore>>,
    _lock: Arc<FolderLock>,
}

impl std::fmt::Debug for Building {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Building")
            .field("folder", &self.folder())
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}

impl Building {
    pub(super) fn new(
        root: PathBuf,
        name: String,
        old: PathBuf,
        purpose: BuildPurpose,
        store: Arc<dyn Datastore>,
        lock: Arc<FolderLock>,
    ) -> Self {
        Self { root, name, old, purpose, store: Some(store), _lock: lock }
    }

    fn folder(&self) -> PathBuf {
        self.root.join(&self.name)
    }

    /// Returns the store to fill.
    ///
    /// # Errors
    /// [`StoreError::Closed`] once it was finished.
    pub fn store(&self) -> Result<Arc<dyn Datastore>, StoreError> {
        self.store.clone().ok_or(StoreError::Closed)
    }

    /// Reads how far an earlier build of this generation got; none when it noted nothing.
    ///
    /// # Errors
    /// When the note cannot be read.
    pub fn position(&self) -> Result<Option<String>, StoreError> {
        let text = durable_file::read(&self.folder().join(BUILDING))?;
        let position = text.as_deref().and_then(BuildPurpose::position);
        Ok(position.map(str::to_owned))
    }

    /// Notes how far the build got, for a purpose that goes on after a restart. What was committed so far is made
    /// durable before: the note never runs ahead of the rows.
    ///
    /// # Errors
    /// When the store cannot be synced or the note not be written.
    pub fn set_position(&self, position: &str) -> Result<(), StoreError> {
        self.store()?.sync()?;
        durable_file::replace(&self.folder().join(BUILDING), &self.purpose.text(Some(position)))
    }

    /// Makes this generation the current one and removes the old one's folder. The order the caller keeps: stop
    /// what reads and writes the old store, drop its snapshots, close it, then finish this. Afterwards
    /// [`Generations::current`](super::Generations::current) opens the new one.
    ///
    /// # Errors
    /// When closing or flipping fails; then the old generation stays the current one, or, after the flip, only
    /// its folder is left behind for the next start to remove.
    pub fn finish(self) -> Result<(), StoreError> {
        let old = self.flip()?;
        durable_file::remove_folder(&old)
    }

    /// As [`Building::finish`], but the old generation is kept: `place`, which must not exist, becomes a folder that can be
    /// opened as this one could. A crash right after the flip loses what was to be kept, never the new state.
    ///
    /// # Errors
    /// As [`Building::finish`]; after the flip the old generation may be left for the next start to remove.
    pub fn finish_keeping(self, place: &Path) -> Result<(), StoreError> {
        let old = self.flip()?;
        durable_file::create_folder(place)?;
        let name = old.file_name().unwrap_or_default();
        let kept = place.join(name);
        std::fs::rename(&old, &kept).map_err(|error| StoreError::io("move", &old, error))?;
        durable_file::replace(&place.join(CURRENT), &format!("{}\n", name.display()))
    }

    /// Makes this generation the current one; returns the folder of the old one.
    fn flip(mut self) -> Result<PathBuf, StoreError> {
        if let Some(store) = self.store.take() {
            store.close()?;
        }
        durable_file::rename(&self.folder().join(BUILDING), BUILT)?;
        durable_file::replace(&self.root.join(CURRENT), &format!("{}\n", self.name))?;
        self.name.clear();
        Ok(self.old.clone())
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        let Some(store) = self.store.take() else { return };
        // What is given up needs no flush; an engine that cannot close is removed all the same.
        let _ = store.close();
        drop(store);
        if !self.purpose.is_resumable()
            && let Err(error) = durable_file::remove_folder(&self.folder())
        {
            tracing::warn!(target: "service", %error, "an unfinished generation is left for the next start to remove");
        }
    }
}
