//! The journal files of a store.

use cluster_core::ports::datastore::StoreError;
use std::fs;
use std::path::{Path, PathBuf};

/// Lists the journals in `folder` from the oldest to the one being written.
///
/// # Errors
/// When the folder cannot be read or a journal's name is no number.
pub(in crate::fjall_store) fn list(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let read = |error| StoreError::io("read", folder, error);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("jnl")) {
            continue;
        }
        let number =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".jnl"));
        match number.and_then(|number| number.parse::<u64>().ok()) {
            Some(number) if path.is_file() => files.push((number, path)),
            _ => {
                let detail = "its name is no journal's".to_owned();
                return Err(StoreError::Damaged { path, detail });
            }
        }
    }
    files.sort_unstable();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}
