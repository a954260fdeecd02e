//! The one writer of the pinset: a synchronous machine that turns inputs into atomic batches.

mod submit;

use super::{
    backend::{Backend, Books},
    counters::{Counter, Counters},
    events::{self, EventBatch},
    fingerprint::Fingerprint,
    format::Position,
    indexing::{self, IndexState},
    input::{CommitFailed, Committed, Input, Outcome, Ticket},
    mutation::{LaneRule, Mutation},
    requests,
    search_index::SearchIndex,
    staged::Staged,
    transition::{TrackerOutcome, TrackerSignal},
};
use crate::{
    ReplicationFactors, UnixMillis,
    mutate::{Mutation as Defect, active},
    ports::{
        consensus::{Applied, AppliedOn, Rejection, SubmitError},
        datastore::{Batch, Datastore, Durability, StoreError, Tree},
    },
};
use libp2p_identity::PeerId;
use std::{sync::Arc, time::Duration};

/// How long a lazy change may wait for a flushed one to travel with.
pub const LAZY_LIMIT: Duration = Duration::from_millis(20);

/// Bytes staged after which a batch should be committed before more is staged.
pub const BATCH_BYTES: usize = 1024 * 1024;

/// What the writer needs to know.
#[derive(Debug, Clone)]
pub struct WriterConfig {
    /// This peer.
    pub local: PeerId,
    /// Factors of pins that name none.
    pub replication: ReplicationFactors,
    /// How pins are queued.
    pub lanes: LaneRule,
    /// Where an applied change is safe, for the answers.
    pub applied_on: AppliedOn,
}

/// The writer. It takes inputs in turn, evaluates each against what is stored and staged, and writes everything
/// that follows from a group of them in one flushed batch.
pub struct Writer<B: Backend> {
    store: Arc<dyn Datastore>,
    config: WriterConfig,
    backend: B,
    staged: Staged,
    counters: Counters,
    fingerprint: Fingerprint,
    position: Position,
    changes: Vec<events::Change>,
    signals: Vec<TrackerSignal>,
    outcomes: Vec<(Ticket, Outcome)>,
    next_ticket: u64,
    flushed_staged: bool,
    lazy_since: Option<UnixMillis>,
    stale: bool,
    oldest_event: u64,
    /// The search index that is being made.
    unfinished: Option<SearchIndex>,
}

impl<B: Backend> std::fmt::Debug for Writer<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("staged", &self.staged)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl<B: Backend> Writer<B> {
    /// Opens the pinset in a store whose format was ensured.
    ///
    /// # Errors
    /// When the store fails.
    pub fn open(store: Arc<dyn Datastore>, backend: B, config: WriterConfig) -> Result<Self, StoreError> {
        let staged = Staged::new(store.snapshot()?);
        let mut writer = Self {
            store,
            config,
            backend,
            staged,
            counters: Counters::default(),
            fingerprint: Fingerprint::default(),
            position: Position::default(),
            changes: Vec::new(),
            signals: Vec::new(),
            outcomes: Vec::new(),
            next_ticket: 0,
            flushed_staged: false,
            lazy_since: None,
            stale: true,
            oldest_event: 0,
            unfinished: None,
        };
        writer.reload()?;
        Ok(writer)
    }

    /// Forgets what is staged and reads everything held in memory anew; needed after a failed commit, once the
    /// store recovered.
    ///
    /// # Errors
    /// When the store fails.
    pub fn reload(&mut self) -> Result<(), StoreError> {
        self.stale = true;
        self.oldest_event = 0;
        self.clear_batch();
        self.staged.rebase(self.store.snapshot()?);
        let snapshot = self.store.snapshot()?;
        if !active(Defect::KeepTotalsAfterFailure) || self.position.batch == 0 {
            self.counters = Counters::load(&*snapshot)?;
        }
        self.fingerprint = Fingerprint::load(&*snapshot)?;
        self.position = Position::load(&self.staged)?;
        self.unfinished = indexing::unfinished(&self.staged)?;
        self.backend.reload(&self.staged, &self.counters)?;
        self.stale = false;
        Ok(())
    }

    /// Brings the store back after a failed commit, and reads everything held in memory anew.
    ///
    /// # Errors
    /// When the store does not work yet.
    pub fn recover(&mut self) -> Result<(), StoreError> {
        self.stale = true;
        self.staged.release();
        self.store.recover()?;
        self.reload()
    }

    /// Says whether a failed commit left the memory behind the store: [`Writer::reload`] before staging.
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// Returns the store.
    pub fn store(&self) -> &Arc<dyn Datastore> {
        &self.store
    }

    /// Returns the backend.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// Returns the totals, staged changes included.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Returns the fingerprint, staged changes included.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Returns the rows as the writer sees them.
    pub fn view(&self) -> &Staged {
        &self.staged
    }

    /// Returns when [`Writer::commit`] must be called at the latest; `None` when nothing is staged.
    pub fn deadline(&self) -> Option<UnixMillis> {
        if self.flushed_staged || self.backend.is_urgent() {
            return Some(UnixMillis(0));
        }
        self.lazy_since.map(|t| t.plus(LAZY_LIMIT))
    }

    /// Says whether so much is staged that it should be committed before more is.
    pub fn is_full(&self) -> bool {
        self.staged.bytes() >= BATCH_BYTES
    }

    /// Returns the number of the last batch.
    pub fn batch(&self) -> u64 {
        self.position.batch
    }

    /// Says which search index is being made, if one is: [`Writer::stage_index_step`] has more to do.
    pub fn unfinished_index(&self) -> Option<SearchIndex> {
        self.unfinished
    }

    /// Stages the next step of the search index that is being made, and returns which one it was and its state after
    /// that. Lazy class. When the store fails nothing is staged.
    pub fn stage_index_step(&mut self, now: UnixMillis) -> Option<(SearchIndex, IndexState)> {
        let index = self.unfinished.filter(|_| !self.stale)?;
        let savepoint = self.staged.savepoint();
        let marks = (self.changes.len(), self.signals.len());
        let stepped = indexing::step(&mut self.staged, index).and_then(|state| {
            self.unfinished = indexing::unfinished(&self.staged)?;
            Ok(state)
        });
        match stepped {
            Ok(state) => {
                self.lazy_since.get_or_insert(now);
                self.staged.settle();
                Some((index, state))
            }
            Err(_) => {
                self.undo(savepoint, marks);
                None
            }
        }
    }

    /// Evaluates one input and stages what follows. Its outcome comes out of the next [`Writer::commit`].
    pub fn stage(&mut self, input: Input<B::Input>, now: UnixMillis) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let savepoint = self.staged.savepoint();
        let marks = (self.changes.len(), self.signals.len());
        let outcome = match input {
            Input::Submit(operation) => {
                self.flushed_staged = true;
                let answer = self.submit(&operation, self.config.replication, now);
                self.answer(answer, savepoint, marks)
            }
            Input::Ordered(ordered) => {
                self.lazy_since.get_or_insert(now);
                let answer = self.submit(&ordered.operation, ordered.replication, now);
                self.answer(answer, savepoint, marks)
            }
            Input::Import(pin) => {
                self.flushed_staged = true;
                Outcome::Submit(self.import(&pin, now).map_err(|error| {
                    self.undo(savepoint, marks);
                    SubmitError::Busy { cause: error.to_string() }
                }))
            }
            Input::Tracker(transition) => {
                self.lazy_since.get_or_insert(now);
                let key = transition.key().clone();
                let outcome = self.mutation(now).0.transition(transition).and_then(|outcome| {
                    if outcome == TrackerOutcome::Ignored {
                        // Whoever handed it in without waiting learns what the row says instead.
                        let row = self.mutation(now).0.tracker_row(&key)?;
                        self.signals.push(TrackerSignal { key, row });
                    }
                    Ok(outcome)
                });
                Outcome::Tracker(outcome.unwrap_or_else(|_| {
                    self.undo(savepoint, marks);
                    TrackerOutcome::Ignored
                }))
            }
            Input::Backend(input) => {
                self.lazy_since.get_or_insert(now);
                let (mut mutation, backend) = self.mutation(now);
                Outcome::Backend(backend.apply(&mut mutation, input, now).map_err(|error| {
                    self.undo(savepoint, marks);
                    error.to_string()
                }))
            }
        };
        self.staged.settle();
        self.outcomes.push((ticket, outcome));
        ticket
    }

    fn answer(
        &mut self,
        answer: Result<Result<Applied, Rejection>, StoreError>,
        savepoint: super::staged::Savepoint,
        marks: (usize, usize),
    ) -> Outcome {
        Outcome::Submit(match answer {
            Ok(result) => result.map_err(SubmitError::Rejected),
            Err(error) => {
                self.undo(savepoint, marks);
                Err(SubmitError::Busy { cause: error.to_string() })
            }
        })
    }

    /// Takes back what an input staged before the store failed under it. Totals and digests that it touched
    /// cannot be told apart any more, so they are read anew before the next input.
    fn undo(&mut self, savepoint: super::staged::Savepoint, marks: (usize, usize)) {
        self.staged.rollback(savepoint);
        self.changes.truncate(marks.0);
        self.signals.truncate(marks.1);
        self.stale = true;
    }

    fn mutation(&mut self, now: UnixMillis) -> (Mutation<'_>, &mut B) {
        (
            Mutation {
                staged: &mut self.staged,
                counters: &mut self.counters,
                fingerprint: &mut self.fingerprint,
                local: self.config.local,
                lanes: self.config.lanes,
                revision: &mut self.position.revision,
                changes: &mut self.changes,
                signals: &mut self.signals,
                now,
            },
            &mut self.backend,
        )
    }

    /// Writes everything staged in one flushed batch and hands out what rests on it.
    ///
    /// # Errors
    /// Every staged input's outcome, and what failed. The writer then is stale.
    pub fn commit(&mut self, now: UnixMillis) -> Result<Committed<B::Output>, CommitFailed> {
        self.commit_as(Durability::Flushed, now)
    }

    /// As [`Writer::commit`], but what it hands out does not rest on durable rows: for a generation in the making, which
    /// is synced as a whole before anything rests on it, and for changes out of a log that is durable elsewhere.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub fn commit_unsynced(&mut self, now: UnixMillis) -> Result<Committed<B::Output>, CommitFailed> {
        self.commit_as(Durability::Lazy, now)
    }

    fn commit_as(
        &mut self,
        durability: Durability,
        now: UnixMillis,
    ) -> Result<Committed<B::Output>, CommitFailed> {
        match self.try_commit(durability, now) {
            Ok(outputs) => {
                let committed = Committed {
                    outcomes: std::mem::take(&mut self.outcomes),
                    signals: std::mem::take(&mut self.signals),
                    outputs,
                    batch: self.position.batch,
                };
                self.clear_batch();
                Ok(committed)
            }
            Err(error) => {
                self.stale = true;
                let failed = CommitFailed::new(error, std::mem::take(&mut self.outcomes));
                self.clear_batch();
                Err(failed)
            }
        }
    }

    fn try_commit(&mut self, durability: Durability, now: UnixMillis) -> Result<Vec<B::Output>, StoreError> {
        if self.stale {
            // An input failed half-way and was taken back: the totals in memory are not to be trusted.
            return Err(StoreError::ReadOnly {
                path: std::path::PathBuf::new(),
                cause: "a read failed".to_owned(),
            });
        }
        let books = Books {
            staged: &mut self.staged,
            counters: &mut self.counters,
            fingerprint: &mut self.fingerprint,
        };
        let outputs = self.backend.seal(books, now)?;
        if self.staged.is_empty() && self.changes.is_empty() {
            return Ok(outputs);
        }
        self.position.batch += 1;
        if !self.changes.is_empty() {
            let changes = std::mem::take(&mut self.changes);
            self.counters.add(Counter::Changes, changes.len() as u64);
            let row = EventBatch { time: now, changes }.encode();
            self.staged.put(Tree::Events, events::key(self.position.batch), row);
            let total = self.counters.get(Counter::Changes);
            if total > events::MAX_CHANGES || self.position.batch.is_multiple_of(1024) {
                let gone = events::trim(&mut self.staged, total, &mut self.oldest_event, now)?;
                self.counters.sub(Counter::Changes, gone);
            }
        }
        let requests = self.counters.get(Counter::Requests);
        let trims = requests > 0 && !self.backend.forgets_requests();
        if trims && (requests > requests::MAX_REQUESTS || self.position.batch.is_multiple_of(64)) {
            let gone = requests::trim(&mut self.staged, requests, now)?;
            self.counters.sub(Counter::Requests, gone);
        }
        self.counters.stage(&mut self.staged);
        self.fingerprint.stage(&mut self.staged);
        self.position.stage(&mut self.staged);
        let batch = self.staged.take();
        let durability = if active(Defect::AcknowledgeBeforeFlush) { Durability::Lazy } else { durability };
        if let Err(error) = self.write(batch, durability) {
            if active(Defect::AnnounceBeforeCommit) {
                self.stale = true;
                self.signals.clear();
                self.outcomes = CommitFailed::new(error, std::mem::take(&mut self.outcomes)).outcomes;
                return Ok(outputs);
            }
            return Err(error);
        }
        self.staged.rebase(self.store.snapshot()?);
        Ok(outputs)
    }

    /// Writes a batch. What can be had again is seen a flush sooner than what only this peer has.
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let is_own = self.flushed_staged || self.backend.sealed_own();
        if durability == Durability::Lazy || (is_own && !active(Defect::ShowBeforeFlush)) {
            return self.store.commit(batch, durability);
        }
        self.store.commit(batch, Durability::Lazy)?;
        self.store.sync()
    }

    fn clear_batch(&mut self) {
        self.outcomes.clear();
        self.changes.clear();
        self.signals.clear();
        self.flushed_staged = false;
        self.lazy_since = None;
    }
}
