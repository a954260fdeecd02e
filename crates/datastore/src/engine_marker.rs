//! The file `ENGINE`: which engine wrote a folder. It is written last, so it also says that creation was completed.

use crate::{EngineKind, OpenError, durable_file};
use cluster_core::ports::datastore::StoreError;
use std::path::Path;

const FILE: &str = "ENGINE";

/// Says whether `folder` was completely created.
///
/// # Errors
/// [`OpenError::OtherEngine`] when another engine wrote it.
pub(crate) fn check(folder: &Path, engine: EngineKind) -> Result<bool, OpenError> {
    match durable_file::read(&folder.join(FILE))? {
        None => Ok(false),
        Some(text) if text.trim_end() == engine.name() => Ok(true),
        Some(text) => Err(OpenError::OtherEngine {
            path: folder.to_owned(),
            found: text.trim_end().chars().take(32).collect(),
            configured: engine.name(),
        }),
    }
}

/// Records that `engine` completed the creation of `folder`.
pub(crate) fn write(folder: &Path, engine: EngineKind) -> Result<(), StoreError> {
    durable_file::replace(&folder.join(FILE), &format!("{engine}\n"))
}
