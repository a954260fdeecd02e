//! From the engine's errors and panics to the port's errors.

use cluster_core::ports::datastore::StoreError;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// How the engine begins to say that somebody else has its file open.
const LOCKED: &str = "could not acquire lock";

/// Makes a call of the engine on the folder `path`. Where a file does not hold what it expects the engine panics as
/// often as it returns an error: no such panic may end the thread that called the store, so it is caught here.
pub(super) fn guarded<T>(path: &Path, call: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        let detail = "the engine gave up on its files; what it said stands before this".to_owned();
        Err(StoreError::Damaged { path: path.to_owned(), detail })
    })
}

/// Translates an error of the engine that happened while trying to `action` the folder `path`.
pub(super) fn translate(error: sled::Error, action: &'static str, path: &Path) -> StoreError {
    match error {
        sled::Error::Io(source) if source.to_string().contains(LOCKED) => {
            StoreError::Locked { path: path.to_owned() }
        }
        sled::Error::Io(source) if is_missing_content(&source) => {
            StoreError::Damaged { path: path.to_owned(), detail: source.to_string() }
        }
        sled::Error::Io(source) => StoreError::io(action, path, source),
        other => StoreError::Damaged { path: path.to_owned(), detail: other.to_string() },
    }
}

/// A file that is gone or shorter than the engine left it.
fn is_missing_content(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::NotFound
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(error: io::Error) -> StoreError {
        translate(sled::Error::Io(error), "write", Path::new("/store"))
    }

    #[test]
    fn errors_keep_their_meaning() {
        assert!(matches!(translated(io::Error::from_raw_os_error(28)), StoreError::DiskFull { .. }));
        // The engine hands a failure of one thread to another as a copy.
        let copy = sled::Error::Io(io::Error::from_raw_os_error(28)).clone();
        assert!(matches!(translate(copy, "write", Path::new("/store")), StoreError::DiskFull { .. }));
        assert!(matches!(translated(io::Error::from_raw_os_error(5)), StoreError::Io { .. }));
        assert!(matches!(translated(io::ErrorKind::UnexpectedEof.into()), StoreError::Damaged { .. }));
        let locked = io::Error::other("could not acquire lock on \"db\"");
        assert!(matches!(translated(locked), StoreError::Locked { .. }));
    }

    #[test]
    fn a_panic_is_damage() {
        let answer: Result<(), _> = guarded(Path::new("/store"), || panic!("on purpose"));
        assert!(matches!(answer, Err(StoreError::Damaged { .. })));
    }
}
