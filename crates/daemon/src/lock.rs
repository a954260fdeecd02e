//! One process per base folder: `cluster.lock` (api §5.5).

use rustix::{
    fs::{FlockOperation, fcntl_lock},
    process::{Flock, FlockType, Pid, fcntl_getlk},
};
use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Name of the file.
const FILE: &str = "cluster.lock";

/// Record locks belong to a process: a second taker inside this one must be turned away here. (And closing any other
/// handle of a locked file would release it, so the file must not even be opened.)
static HELD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// The lock on a base folder, held by the daemon and by commands that change its files. Released when dropped: the
/// file goes away. After a crash a stale file is harmless, the lock died with its process.
#[derive(Debug)]
pub struct ExecutionLock {
    path: PathBuf,
    held_as: PathBuf,
    _file: File,
}

/// Failure to get the lock; the text is the one scripts look for.
#[derive(Debug, thiserror::Error)]
#[error(
    "lock {}: {cause}. If no other ipfs-cluster-service process is running, remove {}, or make sure that the \
     config folder is writable for the user running ipfs-cluster-service.",
    path.display(), path.display()
)]
pub struct LockError {
    /// The lock file.
    pub path: PathBuf,
    /// Why.
    pub cause: LockCause,
}

/// Why the lock cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockCause {
    /// Another daemon or command has it.
    #[error("someone else has the lock")]
    Held,
    /// The base folder is not there.
    #[error("the folder does not exist, run init first")]
    NoFolder,
    /// The file system's answer.
    #[error("{0}")]
    Io(io::Error),
}

impl ExecutionLock {
    /// Takes the lock of a base folder, or fails at once.
    ///
    /// # Errors
    /// Someone else has it, or the file cannot be made.
    pub fn acquire(base: &Path) -> Result<Self, LockError> {
        let path = base.join(FILE);
        match Self::try_acquire(base, &path) {
            Ok(lock) => Ok(lock),
            Err(cause) => Err(LockError { path, cause }),
        }
    }

    /// Asks the system which process has the lock of a base folder, without taking it.
    ///
    /// Not for a folder whose lock this process has: closing the file would release it.
    ///
    /// # Errors
    /// The file cannot be looked at, or its holder is in another container and cannot be named.
    pub fn holder(base: &Path) -> io::Result<Option<Pid>> {
        let file = match File::open(base.join(FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match fcntl_getlk(&file, &Flock::from(FlockType::WriteLock))? {
            None => Ok(None),
            Some(Flock { pid: Some(pid), .. }) => Ok(Some(pid)),
            Some(_) => Err(io::Error::other("the process that has the lock is not visible from here")),
        }
    }

    fn try_acquire(base: &Path, path: &Path) -> Result<Self, LockCause> {
        let folder = base.canonicalize().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => LockCause::NoFolder,
            _ => LockCause::Io(error),
        })?;
        let held_as = folder.join(FILE);
        // Held until the lock is taken: between looking and taking, no other thread may open the file.
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        if held.contains(&held_as) {
            return Err(LockCause::Held);
        }
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)
                .map_err(LockCause::Io)?;
            match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => return Err(LockCause::Held),
                Err(error) => return Err(LockCause::Io(error.into())),
            }
            // A holder that left in the meantime removed the file we opened: its lock guards nothing.
            let opened = file.metadata().map_err(LockCause::Io)?;
            if fs::metadata(path)
                .is_ok_and(|there| there.ino() == opened.ino() && there.dev() == opened.dev())
            {
                held.insert(held_as.clone());
                return Ok(Self { path: path.to_owned(), held_as, _file: file });
            }
        }
    }
}

impl Drop for ExecutionLock {
    fn drop(&mut self) {
        // Removed while still locked: nobody can hold the file that goes away.
        let _ = fs::remove_file(&self.path);
        HELD.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.held_as);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_is_turned_away_until_the_first_is_gone() {
        let base = tempfile::tempdir().unwrap();
        let first = ExecutionLock::acquire(base.path()).unwrap();
        let error = ExecutionLock::acquire(&base.path().join(".")).unwrap_err();
        assert!(matches!(error.cause, LockCause::Held));
        let path = base.path().join("./cluster.lock");
        let path = path.display();
        assert_eq!(
            error.to_string(),
            format!(
                "lock {path}: someone else has the lock. If no other ipfs-cluster-service process is running, \
                 remove {path}, or make sure that the config folder is writable for the user running \
                 ipfs-cluster-service."
            )
        );
        drop(first);
        assert!(!base.path().join("cluster.lock").exists());
        drop(ExecutionLock::acquire(base.path()).unwrap());
    }

    #[test]
    fn a_stale_file_is_harmless_and_a_missing_folder_is_named() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("cluster.lock"), "left behind").unwrap();
        drop(ExecutionLock::acquire(base.path()).unwrap());
        let error = ExecutionLock::acquire(&base.path().join("none")).unwrap_err();
        assert!(matches!(error.cause, LockCause::NoFolder));
    }
}
