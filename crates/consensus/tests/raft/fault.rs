//! A disk that fails on demand.

use cluster_core::ports::datastore::{Batch, Datastore, Durability, Snapshot, StoreError};
use cluster_datastore::MemoryStore;
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What the disk does with the commits of which thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Works,
    /// Every write fails, and so does taking the store up again.
    Fails,
    /// One write fails of the thread of this name; then the store has to be taken up again.
    FailsOnce(&'static str),
    /// Writes of the threads of these names are refused without having been tried, as while the store is exported.
    Busy(&'static [&'static str]),
}

#[derive(Debug)]
struct State {
    mode: Mode,
    is_read_only: bool,
    recovered: u32,
}

/// The switch of one disk.
#[derive(Debug, Clone)]
pub(crate) struct Fault(Arc<Mutex<State>>);

impl Default for Fault {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { mode: Mode::Works, is_read_only: false, recovered: 0 })))
    }
}

impl Fault {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.lock().mode = mode;
    }

    /// How often the store was taken up again.
    pub(crate) fn recovered(&self) -> u32 {
        self.lock().recovered
    }

    fn write(&self) -> Result<(), StoreError> {
        let mut state = self.lock();
        let current = std::thread::current();
        let is_this = |thread: &&str| current.name() == Some(*thread);
        if let Mode::Busy(threads) = state.mode
            && threads.iter().any(is_this)
        {
            return Err(StoreError::Busy);
        }
        let is_hit = match state.mode {
            Mode::FailsOnce(thread) => is_this(&thread),
            mode => mode == Mode::Fails,
        };
        if is_hit {
            state.is_read_only = true;
            if state.mode != Mode::Fails {
                state.mode = Mode::Works;
            }
        }
        if state.is_read_only {
            return Err(StoreError::ReadOnly { path: PathBuf::new(), cause: "on purpose".to_owned() });
        }
        Ok(())
    }
}

/// A store in memory on such a disk.
pub(crate) struct Faulty {
    pub(crate) inner: MemoryStore,
    pub(crate) fault: Fault,
}

impl Datastore for Faulty {
    fn engine(&self) -> &'static str {
        self.inner.engine()
    }
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.inner.snapshot()
    }
    fn long_snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.inner.long_snapshot()
    }
    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        self.fault.write()?;
        self.inner.commit(batch, durability)
    }
    fn sync(&self) -> Result<(), StoreError> {
        match self.fault.write() {
            Err(StoreError::Busy) | Ok(()) => self.inner.sync(),
            failed => failed,
        }
    }
    fn recover(&self) -> Result<(), StoreError> {
        let mut state = self.fault.lock();
        match state.mode {
            Mode::Busy(_) => return Err(StoreError::Busy),
            Mode::Fails => {
                return Err(StoreError::ReadOnly { path: PathBuf::new(), cause: "still".to_owned() });
            }
            Mode::Works | Mode::FailsOnce(_) => {}
        }
        // A healthy one has nothing to be taken up again.
        state.recovered += u32::from(std::mem::take(&mut state.is_read_only));
        self.inner.recover()
    }
    fn disk_usage(&self) -> Result<u64, StoreError> {
        self.inner.disk_usage()
    }
    fn is_compacting(&self) -> bool {
        false
    }
    fn tidy(&self) -> Result<(), StoreError> {
        Ok(())
    }
    fn close(&self) -> Result<(), StoreError> {
        self.inner.close()
    }
}
