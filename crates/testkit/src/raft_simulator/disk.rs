//! A disk that loses power amid its work.

use super::shown::INSTALLING;
use crate::simulator::Chance;
use cluster_core::ports::datastore::{Batch, Datastore, Durability, Snapshot, StoreError, Tree};
use cluster_datastore::{FailMode, MemoryStore};
use std::{
    io,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// A store in memory on such a disk. What is written lazily may reach it by itself, as an operating system brings it there.
pub(super) struct Disk {
    inner: MemoryStore,
    /// Told what a power failure would leave, whenever that is something new.
    watch: Box<dyn Fn(&MemoryStore) + Send + Sync>,
    state: Mutex<State>,
    dead: CancellationToken,
}

struct State {
    chance: Chance,
    /// Writes until the power fails, if it does, and whether the last of them is still made.
    cut: Option<(u64, bool)>,
    survivor: Option<MemoryStore>,
    /// Whether one of the next writes is to fail.
    fails: bool,
    /// Writes from the end of the next installation of a snapshot until the power fails.
    cut_after_install: Option<u64>,
}

/// Lazy writes of a thousand that reach the disk by themselves.
const EAGER: u32 = 100;

impl Disk {
    pub(super) fn new(
        inner: MemoryStore,
        chance: Chance,
        watch: impl Fn(&MemoryStore) + Send + Sync + 'static,
    ) -> Self {
        let state = State { chance, cut: None, survivor: None, fails: false, cut_after_install: None };
        Self { inner, watch: Box::new(watch), state: Mutex::new(state), dead: CancellationToken::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the power fail at one of the next writes.
    pub(super) fn cut_after(&self, writes: u64, is_last_made: bool) {
        self.lock().cut = Some((writes, is_last_made));
    }

    /// Has the power fail so many writes after the next installation of a snapshot, without the last of them.
    pub(super) fn cut_after_install(&self, writes: u64) {
        self.lock().cut_after_install = Some(writes);
    }

    /// Has the next write fail.
    pub(super) fn fail_next(&self, mode: FailMode) {
        self.lock().fails = true;
        self.inner.fail_next_commit(mode);
    }

    /// Takes back what was planned.
    pub(super) fn heal(&self) {
        let mut state = self.lock();
        state.cut = None;
        state.cut_after_install = None;
    }

    /// Tells when the power has failed.
    pub(super) fn dead(&self) -> CancellationToken {
        self.dead.clone()
    }

    /// Returns what the power failure left, or would leave now.
    pub(super) fn left(&self) -> MemoryStore {
        self.lock().survivor.take().unwrap_or_else(|| self.inner.power_cut())
    }

    /// Returns what a power failure now would leave.
    pub(super) fn would_be_left(&self) -> MemoryStore {
        self.lock().survivor.clone().unwrap_or_else(|| self.inner.power_cut())
    }

    pub(super) fn store(&self) -> &MemoryStore {
        &self.inner
    }

    fn off() -> StoreError {
        let source = io::Error::other("the power is off");
        StoreError::Io { action: "write", path: PathBuf::from("(disk)"), source }
    }

    /// Makes a write, unless the power is off or fails now.
    fn write(&self, work: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
        if self.dead.is_cancelled() {
            return Err(Self::off());
        }
        let mut state = self.lock();
        let is_last_made = match state.cut.take() {
            Some((0, is_last_made)) => is_last_made,
            cut => {
                state.cut = cut.map(|(writes, is_last_made)| (writes - 1, is_last_made));
                let done = work();
                state.fails &= done.is_ok();
                return done;
            }
        };
        if is_last_made {
            // Whoever made it does not live to see it.
            let _ = work();
        }
        state.survivor = Some(self.inner.power_cut());
        self.dead.cancel();
        Err(Self::off())
    }
}

impl Datastore for Disk {
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
        let ends_install = batch
            .writes()
            .iter()
            .any(|write| write.tree == Tree::RaftState && write.key == INSTALLING && write.value.is_none());
        self.write(|| self.inner.commit(batch, durability))?;
        let mut state = self.lock();
        if ends_install && let Some(writes) = state.cut_after_install.take() {
            state.cut = Some((writes, false));
            return Ok(());
        }
        match durability {
            Durability::Lazy if state.fails || !state.chance.permille(EAGER) => return Ok(()),
            Durability::Lazy => self.inner.sync()?,
            Durability::Flushed => {}
        }
        drop(state);
        (self.watch)(&self.inner.power_cut());
        Ok(())
    }
    fn sync(&self) -> Result<(), StoreError> {
        self.write(|| self.inner.sync())?;
        (self.watch)(&self.inner.power_cut());
        Ok(())
    }
    fn recover(&self) -> Result<(), StoreError> {
        if self.dead.is_cancelled() { Err(Self::off()) } else { self.inner.recover() }
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
