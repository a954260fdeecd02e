//! The engine's files, and when they are on the disk.

use crate::durable_file;
use cluster_core::ports::datastore::StoreError;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The log, which holds everything but values too long for it.
pub(super) const LOG: &str = "db";
/// Folder of such values, a file each.
const BLOBS: &str = "blobs";
/// What the name of a snapshot of the page table ends with before it is complete.
const UNFINISHED: &str = ".generating";

/// The files of an opened engine. Its own flush asks the system to write pages out (`sync_file_range`), which syncs
/// neither the length of a file nor its name nor the disk's cache.
#[derive(Debug)]
pub(super) struct DataFiles {
    log_path: PathBuf,
    log: File,
    blobs: PathBuf,
    /// Blobs that were synced.
    synced: Mutex<BTreeSet<PathBuf>>,
}

impl DataFiles {
    /// Takes the files of an engine that was just opened, which leaves renamed, removed and overwritten ones behind, and
    /// makes all of them durable.
    pub(super) fn of(folder: &Path) -> Result<Self, StoreError> {
        durable_file::sync_all(folder)?;
        let (log_path, blobs) = (folder.join(LOG), folder.join(BLOBS));
        let log = File::open(&log_path).map_err(|error| StoreError::io("open", &log_path, error))?;
        let synced = durable_file::entries(&blobs)?.into_iter().collect();
        Ok(Self { log_path, log, blobs, synced: Mutex::new(synced) })
    }

    /// Makes what was flushed durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let blobs: BTreeSet<PathBuf> = durable_file::entries(&self.blobs)?.into_iter().collect();
        if blobs.iter().any(|blob| !synced.contains(blob)) {
            // Removed ones stay removed and few are there: keys of tens of kilobytes make them, values do not.
            durable_file::sync_all(&self.blobs)?;
        }
        *synced = blobs;
        // Where the log grew, this also writes its length, since the data could not be read without it.
        self.log.sync_data().map_err(|error| StoreError::io("sync", &self.log_path, error))
    }
}

/// Removes snapshots of the page table that a crash left incomplete: the engine would take one for the newest and refuse
/// to open. Without it, it reads more of its log.
pub(super) fn remove_unfinished_snapshots(folder: &Path) -> Result<(), StoreError> {
    for path in durable_file::entries(folder)? {
        if path.as_os_str().as_encoded_bytes().ends_with(UNFINISHED.as_bytes()) {
            fs::remove_file(&path).map_err(|error| StoreError::io("remove", &path, error))?;
        }
    }
    Ok(())
}
