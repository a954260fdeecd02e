//! One replica of the fake.

use super::log_backend::LogBackend;
use cluster_core::{
    Pin, PinKey, UnixMillis,
    pinset::{Input, Outcome, Writer, WriterConfig, read},
    ports::{
        consensus::{Applied, Etag, Operation, SubmitError},
        datastore::{Datastore, StoreError},
    },
};
use std::sync::Arc;

/// One operation in the order that all replicas share, with the time it was put there.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) operation: Operation,
    pub(super) at: UnixMillis,
}

pub(super) struct FakeReplica {
    writer: Writer<LogBackend>,
    /// Entries applied before this fake was opened; its log starts behind them.
    base: u64,
    pub(super) reachable: bool,
}

impl FakeReplica {
    pub(super) fn open(store: Arc<dyn Datastore>, config: WriterConfig) -> Result<Self, StoreError> {
        let writer = Writer::open(store, LogBackend::default(), config)?;
        let base = writer.backend().applied;
        Ok(Self { writer, base, reachable: true })
    }

    /// Applies what it lacks of the log, each entry in a flushed batch; returns the outcome of the last one.
    pub(super) fn catch_up(
        &mut self,
        log: &[Entry],
    ) -> Result<Option<Result<Applied, SubmitError>>, StoreError> {
        let mut last = None;
        let mut applied = self.writer.backend().applied;
        while let Some(entry) = usize::try_from(applied - self.base).ok().and_then(|number| log.get(number)) {
            applied += 1;
            let ticket = self.writer.stage(Input::Submit(Box::new(entry.operation.clone())), entry.at);
            self.writer.stage(Input::Backend(applied), entry.at);
            let committed = self.writer.commit(entry.at).map_err(|failed| failed.error)?;
            last = committed.outcomes.into_iter().find_map(|(t, outcome)| match outcome {
                Outcome::Submit(answer) if t == ticket => Some(answer),
                _ => None,
            });
        }
        Ok(last)
    }

    /// Takes the store up again after a failed write.
    pub(super) fn recover(&mut self) -> Result<(), StoreError> {
        self.writer.store().recover()?;
        self.writer.reload()
    }

    pub(super) fn read(&self, key: &PinKey) -> Result<Option<(Pin, Etag)>, StoreError> {
        read::pin(&*self.writer.store().snapshot()?, key)
    }
}
