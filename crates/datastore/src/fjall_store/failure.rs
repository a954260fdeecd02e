//! From the engine's errors to the port's.

use cluster_core::ports::datastore::StoreError;
use std::error::Error as StdError;
use std::io;
use std::path::Path;

/// Translates an error of the engine that happened while trying to `action` the file or folder `path`.
pub(super) fn translate(error: fjall::Error, action: &'static str, path: &Path) -> StoreError {
    if is_disk_full(&error) {
        return StoreError::DiskFull { path: path.to_owned() };
    }
    let detail = detail(&error);
    match error {
        fjall::Error::Locked => StoreError::Locked { path: path.to_owned() },
        fjall::Error::Io(source) | fjall::Error::Storage(fjall::LsmError::Io(source)) => {
            if is_missing_content(&source) {
                StoreError::Damaged { path: path.to_owned(), detail }
            } else {
                StoreError::io(action, path, source)
            }
        }
        fjall::Error::InvalidVersion(Some(version)) => {
            StoreError::NewerFormat { path: path.to_owned(), found: version as u32, supported: 3 }
        }
        fjall::Error::Poisoned => {
            StoreError::ReadOnly { path: path.to_owned(), cause: BACKGROUND_FAILURE.to_owned() }
        }
        _ => StoreError::Damaged { path: path.to_owned(), detail },
    }
}

/// What is known when a background thread of the engine failed: the engine reports it to its log only.
pub(super) const BACKGROUND_FAILURE: &str =
    "the engine could not write a table in the background; a full disk is the usual reason";

/// A file that is gone or shorter than the engine left it.
fn is_missing_content(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::NotFound
    )
}

fn is_disk_full(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            if matches!(io.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
                return true;
            }
            if let Some(inner) = io.get_ref()
                && is_disk_full(inner)
            {
                return true;
            }
        }
        next = error.source();
    }
    false
}

fn detail(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Storage(fjall::LsmError::ChecksumMismatch { .. }) => {
            "a block's checksum does not fit".to_owned()
        }
        fjall::Error::Storage(inner) => inner.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(error: fjall::Error) -> StoreError {
        translate(error, "write", Path::new("/store"))
    }

    #[test]
    fn a_full_disk_is_recognised_anywhere_in_the_chain() {
        for code in [28, 122] {
            let plain = io::Error::from_raw_os_error(code);
            assert!(matches!(translated(fjall::Error::Io(plain)), StoreError::DiskFull { .. }));
            let wrapped = io::Error::other(io::Error::from_raw_os_error(code));
            let deep = fjall::Error::Storage(fjall::LsmError::Io(wrapped));
            assert!(matches!(translated(deep), StoreError::DiskFull { .. }));
        }
    }

    #[test]
    fn other_errors_keep_their_meaning() {
        let io = fjall::Error::Io(io::Error::from_raw_os_error(5));
        assert!(matches!(translated(io), StoreError::Io { .. }));
        assert!(matches!(translated(fjall::Error::Locked), StoreError::Locked { .. }));
        assert!(matches!(translated(fjall::Error::Unrecoverable), StoreError::Damaged { .. }));
        let short = fjall::Error::Storage(fjall::LsmError::Io(io::ErrorKind::UnexpectedEof.into()));
        assert!(matches!(translated(short), StoreError::Damaged { .. }));
        assert!(matches!(translated(fjall::Error::Poisoned), StoreError::ReadOnly { .. }));
    }
}
