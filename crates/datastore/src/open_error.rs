//! Why a store cannot be opened.

use cluster_core::ErrorKind;
use cluster_core::ports::datastore::StoreError;
use std::path::PathBuf;

/// Failure of opening a store or its folder of generations.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store itself cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another engine wrote the folder.
    #[error(
        "the store at {path} was written by the engine {found:?}, but the configuration names {configured:?}: change the configuration back, or move the state with `state export` and `state import`"
    )]
    OtherEngine {
        /// Folder of the store.
        path: PathBuf,
        /// Engine that wrote it.
        found: String,
        /// Engine asked for.
        configured: &'static str,
    },
}

impl OpenError {
    /// Classifies the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::OtherEngine { .. } => ErrorKind::Fatal,
        }
    }
}
