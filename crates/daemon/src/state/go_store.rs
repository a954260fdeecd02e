//! State of the Go suite in the same base folder.

use super::StateError;
use crate::config::go_store_folders;
use cluster_core::{pinset::format, ports::datastore::Datastore};
use std::path::{Path, PathBuf};

/// Folder in which a Go peer with Raft consensus keeps its state.
const RAFT: &str = "raft";

/// What to do when the state of a Go peer lies beside an empty store of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BesideGo {
    /// Refuse: the operator would believe that the pins are gone.
    #[default]
    Refuse,
    /// The operator has decided that the store may be empty: note it, so that later starts do not ask again.
    Settle,
    /// Neither: the store is about to be replaced.
    Ignore,
}

/// Finds the state of a Go peer: in the folders of Go's defaults, or in those `configured`.
pub(super) fn find(base: &Path, configured: &[PathBuf]) -> Option<PathBuf> {
    let default = go_store_folders().chain([RAFT]).map(|name| base.join(name));
    configured.iter().map(|folder| base.join(folder)).chain(default).find(|folder| folder.is_dir())
}

/// Refuses a store that is empty without anybody's decision, beside the state of a Go peer in `folder`.
pub(super) fn check(store: &dyn Datastore, folder: PathBuf) -> Result<(), StateError> {
    if format::is_unsettled(store)? { Err(StateError::GoState { folder }) } else { Ok(()) }
}

/// Notes that the operator has decided.
pub(super) fn settle(store: &dyn Datastore) -> Result<(), StateError> {
    Ok(format::settle(store)?)
}
