//! sled itself, opened and closed.

use super::failure::{guarded, translate};
use super::pieces::SEGMENT;
use cluster_core::ports::datastore::StoreError;
use sled::Db;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How long an earlier handle of this process may take to let go of the files: its threads outlive it by a moment.
const RELEASE_DEADLINE: Duration = Duration::from_secs(5);
/// How often the opening is tried again.
const RELEASE_POLL: Duration = Duration::from_millis(2);

/// The engine's one tree. Dropping it closes the files.
pub(super) struct OpenTree {
    tree: Option<Db>,
    folder: PathBuf,
}

impl OpenTree {
    /// Opens it on `folder`, or makes it, with `cache` bytes for pages.
    pub(super) fn open(folder: &Path, cache: u64) -> Result<Self, StoreError> {
        let config = sled::Config::new()
            .path(folder)
            .cache_capacity(cache)
            .segment_size(SEGMENT)
            // Flushes are the store's: one of the engine's own would write half of what a sync is to cover.
            .flush_every_ms(None);
        let deadline = Instant::now() + RELEASE_DEADLINE;
        loop {
            match guarded(folder, || config.open().map_err(|error| translate(error, "open", folder))) {
                Ok(tree) => return Ok(Self { tree: Some(tree), folder: folder.to_owned() }),
                // The lock of the folder is ours: nobody else has the file open.
                Err(StoreError::Locked { .. }) if Instant::now() < deadline => thread::sleep(RELEASE_POLL),
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns the folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Calls the engine to `action` its files.
    pub(super) fn call<T>(
        &self,
        action: &'static str,
        call: impl FnOnce(&Db) -> sled::Result<T>,
    ) -> Result<T, StoreError> {
        let tree = self.tree.as_ref().ok_or(StoreError::Closed)?;
        guarded(&self.folder, || call(tree).map_err(|error| translate(error, action, &self.folder)))
    }
}

impl Drop for OpenTree {
    fn drop(&mut self) {
        let tree = self.tree.take();
        // The engine flushes and syncs once more, and panics when it cannot.
        if catch_unwind(AssertUnwindSafe(move || drop(tree))).is_err() {
            tracing::error!(folder = %self.folder.display(), "the store's files could not be closed in order");
        }
    }
}
