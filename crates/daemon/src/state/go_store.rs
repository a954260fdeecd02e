//! State of the Go suite in the same base folder.

use super::StateError;
use std::path::Path;

/// Folders in which the Go suite keeps its state.
const FOLDERS: [&str; 5] = ["pebble", "badger3", "badger", "leveldb", "raft"];

/// Refuses to start empty beside a Go peer's state: the operator would believe that the pins are gone.
pub(super) fn refuse(base: &Path) -> Result<(), StateError> {
    match FOLDERS.iter().map(|name| base.join(name)).find(|folder| folder.is_dir()) {
        Some(folder) => Err(StateError::GoState { folder }),
        None => Ok(()),
    }
}
