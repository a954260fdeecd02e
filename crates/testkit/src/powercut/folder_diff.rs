//! Whether two folders are the same.

use super::{base::list, error::PowercutError};
use std::{fs, path::Path};

/// Describes the first difference between two folders: names, lengths, bytes.
pub(super) fn difference(real: &Path, rebuilt: &Path) -> Result<Option<String>, PowercutError> {
    let (one, other) = (list(real)?, list(rebuilt)?);
    let names = |entries: &[(std::ffi::OsString, std::path::PathBuf, bool)]| {
        entries.iter().map(|(name, _, is_folder)| (name.clone(), *is_folder)).collect::<Vec<_>>()
    };
    let (real_names, rebuilt_names) = (names(&one), names(&other));
    if real_names != rebuilt_names {
        return Ok(Some(format!("{} holds {real_names:?}, rebuilt {rebuilt_names:?}", real.display())));
    }
    for ((_, real, is_folder), (_, rebuilt, _)) in one.iter().zip(&other) {
        let found = if *is_folder { difference(real, rebuilt)? } else { file_difference(real, rebuilt)? };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn file_difference(real: &Path, rebuilt: &Path) -> Result<Option<String>, PowercutError> {
    let one = fs::read(real).map_err(PowercutError::io("read", real))?;
    let other = fs::read(rebuilt).map_err(PowercutError::io("read", rebuilt))?;
    if one.len() != other.len() {
        return Ok(Some(format!("{} has {} bytes, rebuilt {}", real.display(), one.len(), other.len())));
    }
    let at = one.iter().zip(&other).position(|(a, b)| a != b);
    Ok(at.map(|at| format!("{} differs at byte {at} of {}", real.display(), one.len())))
}
