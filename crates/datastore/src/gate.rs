//! Whether an opened store takes writes, serves reads only, or is closed.

use cluster_core::ports::datastore::StoreError;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// Longest wait of a recovery for open snapshots before it gives up for now.
const READERS_DEADLINE: Duration = Duration::from_millis(500);
/// How often it looks.
const READERS_POLL: Duration = Duration::from_millis(2);

/// Keeps what an engine on disk has open. After a failed write it hands it out to readers only, until the files were
/// opened anew.
pub(crate) struct Gate<H> {
    folder: PathBuf,
    state: RwLock<State<H>>,
}

enum State<H> {
    Open(H),
    Failed { handle: Option<H>, cause: String },
    Closed,
}

impl<H> Gate<H> {
    /// Takes a handle that was opened on `folder`.
    pub(crate) fn new(folder: &Path, handle: H) -> Self {
        Self { folder: folder.to_owned(), state: RwLock::new(State::Open(handle)) }
    }

    fn state(&self) -> RwLockReadGuard<'_, State<H>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State<H>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Picks from the handle if it takes writes.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`] after a failed write, [`StoreError::Closed`].
    pub(crate) fn writable<T>(&self, pick: impl FnOnce(&H) -> T) -> Result<T, StoreError> {
        match &*self.state() {
            State::Open(handle) => Ok(pick(handle)),
            State::Failed { cause, .. } => Err(self.read_only(cause)),
            State::Closed => Err(StoreError::Closed),
        }
    }

    /// Picks from the handle, also after a failed write.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`] while it is given up and no other was opened, [`StoreError::Closed`].
    pub(crate) fn readable<T>(&self, pick: impl FnOnce(&H) -> T) -> Result<T, StoreError> {
        match &*self.state() {
            State::Open(handle) | State::Failed { handle: Some(handle), .. } => Ok(pick(handle)),
            State::Failed { handle: None, cause } => Err(self.read_only(cause)),
            State::Closed => Err(StoreError::Closed),
        }
    }

    /// Changes the handle if it takes writes.
    pub(crate) fn change(&self, change: impl FnOnce(&mut H)) {
        if let State::Open(handle) = &mut *self.state_mut() {
            change(handle);
        }
    }

    /// Makes the error of a store that takes no writes.
    pub(crate) fn read_only(&self, cause: &str) -> StoreError {
        StoreError::ReadOnly { path: self.folder.clone(), cause: cause.to_owned() }
    }

    /// Stops writes after `error` and passes it on.
    pub(crate) fn fail(&self, error: StoreError) -> StoreError {
        let cause = match &error {
            StoreError::ReadOnly { cause, .. } => cause.clone(),
            StoreError::Io { action, path, source } => {
                format!("cannot {action} {}: {source}", path.display())
            }
            other => other.to_string(),
        };
        let mut state = self.state_mut();
        *state = match std::mem::replace(&mut *state, State::Closed) {
            State::Open(handle) => {
                tracing::error!(store = %self.folder.display(), %cause, "the store takes no writes any more");
                State::Failed { handle: Some(handle), cause }
            }
            other => other,
        };
        error
    }

    /// Drops the handle that failed, so that the files can be opened anew; not while readers use it.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`] when they still do after a short wait.
    pub(crate) fn give_up(&self, is_read: impl Fn(&H) -> bool) -> Result<(), StoreError> {
        let mut state = self.state_mut();
        let State::Failed { handle, cause } = &mut *state else { return Ok(()) };
        let deadline = Instant::now() + READERS_DEADLINE;
        while handle.as_ref().is_some_and(&is_read) {
            if Instant::now() > deadline {
                return Err(self.read_only(&format!("{cause}; open snapshots still hold the old files")));
            }
            std::thread::sleep(READERS_POLL);
        }
        *handle = None;
        Ok(())
    }

    /// Takes writes again, with a handle that was opened anew.
    pub(crate) fn reopen(&self, handle: H) {
        *self.state_mut() = State::Open(handle);
    }

    /// Closes; hands out the handle unless that was done before.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`] after a failed write: something may be lost.
    pub(crate) fn close(&self) -> Result<Option<H>, StoreError> {
        match std::mem::replace(&mut *self.state_mut(), State::Closed) {
            State::Open(handle) => Ok(Some(handle)),
            State::Failed { cause, .. } => Err(self.read_only(&cause)),
            State::Closed => Ok(None),
        }
    }

    /// Writes and syncs `len` bytes, to see whether the disk takes what opening the files anew will write, before the old
    /// handle is given up.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn probe(&self, len: usize) -> Result<(), StoreError> {
        let path = self.folder.join("PROBE");
        let written = fs::write(&path, vec![0xa5; len])
            .and_then(|()| File::open(&path).and_then(|file| file.sync_all()));
        let removed = fs::remove_file(&path);
        written.and(removed).map_err(|error| StoreError::io("write", path, error))
    }
}
