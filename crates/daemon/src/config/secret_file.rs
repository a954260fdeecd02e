//! Reads a secret from a file of its own.

use std::{fs::File, io::Read, os::unix::fs::PermissionsExt, path::Path};
use zeroize::Zeroizing;

/// More than any secret needs; a larger file is a mistake, not a secret.
const LARGEST: u64 = 64 * 1024;

/// Says why a file cannot be used; reads as the end of "expected …".
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretFileError {
    /// It cannot be read.
    #[error("a readable file ({0})")]
    Read(#[from] std::io::Error),
    /// Others can read it.
    #[error("a file that only its owner can read, but its mode is {mode:04o}; run chmod 0600 on it")]
    Open {
        /// Permission bits.
        mode: u32,
    },
    /// It is too large to be a secret.
    #[error("a file of at most {LARGEST} bytes")]
    Large,
}

/// Reads the whole file, without the end of its last line.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretFileError::Open { mode });
    }
    let mut text = Zeroizing::new(String::new());
    if file.take(LARGEST + 1).read_to_string(&mut text)? as u64 > LARGEST {
        return Err(SecretFileError::Large);
    }
    while text.ends_with(['\n', '\r']) {
        text.pop();
    }
    Ok(text)
}
