//! The tracker's machine.

use super::{Action, Job, JobResult, TrackerConfig, lanes::Lane};
use crate::{
    PinKey, UnixMillis,
    pinset::{TrackedState, TrackerInput, TrackerRow, TrackerSignal},
    ports::datastore::{Snapshot, StoreError, Tree},
};
use std::{collections::HashMap, ops::Bound};

/// Due rows taken up in one look at the clock.
const DUE_PAGE: usize = 256;

/// Of so many pins one comes from the normal lane even while the priority lane is never empty.
const NORMAL_SHARE: u32 = 8;

/// Requests whose results may wait for the writer before no more are started: a slow disk makes the tracker slow, not
/// large.
const MAX_SETTLING: usize = 1024;

/// What the tracker is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackerEvent {
    /// A row changed and is durable.
    Signal(TrackerSignal),
    /// A job ended; `random` spreads the next attempt.
    Finished {
        /// Which pin.
        key: PinKey,
        /// The revision the job was made for.
        revision: u64,
        /// How it ended.
        result: JobResult,
        /// Any number.
        random: u64,
    },
    /// Signals may have been lost: look at every row again that something rests on.
    Resync,
    /// Time passed; `pinned` is how many rows are in [`TrackedState::Pinned`].
    Tick {
        /// Rows to keep an eye on.
        pinned: u64,
    },
}

/// What the tracker wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackerCommand {
    /// Start a job.
    Start(Job),
    /// Give up the running job of a pin; it must still report that it ended.
    Cancel {
        /// Which pin.
        key: PinKey,
        /// The revision the job was made for.
        revision: u64,
    },
    /// Hand this to the writer, which answers with a signal whatever became of it.
    Transition(TrackerInput),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A request is under way.
    Running,
    /// It was given up and has not ended yet.
    Cancelling,
    /// It ended, and its transition is on the way to the writer.
    Settling,
}

#[derive(Debug, Clone, Copy)]
struct Running {
    revision: u64,
    action: Action,
    phase: Phase,
}

/// Decides which requests to make of the IPFS daemon. Bounded: it holds running jobs and a look-ahead.
#[derive(Debug)]
pub struct Tracker {
    config: TrackerConfig,
    running: HashMap<PinKey, Running>,
    priority: Lane,
    normal: Lane,
    unpins: [Lane; 2],
    due: Vec<PinKey>,
    picks: u32,
    checks: Option<Vec<u8>>,
    check_credit: f64,
    last_tick: Option<UnixMillis>,
}

impl Tracker {
    /// Starts with everything that an earlier process left in the rows.
    pub fn new(config: TrackerConfig) -> Self {
        Self {
            config,
            running: HashMap::new(),
            priority: Lane::new(TrackedState::PinQueuedPriority),
            normal: Lane::new(TrackedState::PinQueued),
            unpins: [Lane::new(TrackedState::UnpinQueued), Lane::new(TrackedState::RemoteUnpinQueued)],
            due: Vec::new(),
            picks: 0,
            checks: None,
            check_credit: 0.0,
            last_tick: None,
        }
    }

    /// Takes note of an event and adds to `commands` what to do next. `view` shows durable rows, the event's included.
    ///
    /// # Errors
    /// When the store fails. The event was taken note of all the same and what was added stands, but rows may have been
    /// passed over: once the store can be read, tell [`TrackerEvent::Resync`].
    pub fn handle(
        &mut self,
        event: TrackerEvent,
        now: UnixMillis,
        view: &dyn Snapshot,
        commands: &mut Vec<TrackerCommand>,
    ) -> Result<(), StoreError> {
        match event {
            TrackerEvent::Signal(signal) => self.on_signal(signal, commands),
            TrackerEvent::Finished { key, revision, result, random } => {
                self.on_finished(&key, revision, result, random, now, view, commands)?;
            }
            TrackerEvent::Resync => self.on_resync(view, commands)?,
            TrackerEvent::Tick { pinned } => self.on_tick(pinned, now, view, commands)?,
        }
        self.fill(now, view, commands)
    }

    /// Counts the requests under way.
    pub fn running(&self) -> usize {
        self.running.values().filter(|r| r.phase != Phase::Settling).count()
    }

    fn on_settled(&mut self, key: &PinKey) {
        if self.running.get(key).is_some_and(|r| r.phase == Phase::Settling) {
            self.running.remove(key);
        }
    }

    fn on_resync(
        &mut self,
        view: &dyn Snapshot,
        commands: &mut Vec<TrackerCommand>,
    ) -> Result<(), StoreError> {
        self.running.retain(|_, running| running.phase != Phase::Settling);
        let [first, second] = &mut self.unpins;
        for lane in [&mut self.priority, &mut self.normal, first, second] {
            lane.restart();
        }
        for (key, running) in &mut self.running {
            let revision = read_row(view, key)?.map(|row| row.revision);
            if running.phase == Phase::Running && revision != Some(running.revision) {
                running.phase = Phase::Cancelling;
                commands.push(TrackerCommand::Cancel { key: key.clone(), revision: running.revision });
            }
        }
        Ok(())
    }

    fn on_signal(&mut self, signal: TrackerSignal, commands: &mut Vec<TrackerCommand>) {
        let TrackerSignal { key, row } = signal;
        self.on_settled(&key);
        let revision = row.as_ref().map(|row| row.revision);
        if let Some(running) = self.running.get_mut(&key)
            && running.phase == Phase::Running
            && revision != Some(running.revision)
        {
            running.phase = Phase::Cancelling;
            commands.push(TrackerCommand::Cancel { key: key.clone(), revision: running.revision });
        }
        if let Some(row) = row {
            self.enqueue(key, &row);
        }
    }

    fn enqueue(&mut self, key: PinKey, row: &TrackerRow) {
        match row.state {
            TrackedState::PinQueuedPriority => self.priority.push(key),
            TrackedState::PinQueued => self.normal.push(key),
            TrackedState::UnpinQueued => self.unpins[0].push(key),
            TrackedState::RemoteUnpinQueued => self.unpins[1].push(key),
            TrackedState::Pinned
            | TrackedState::PinError
            | TrackedState::UnpinError
            | TrackedState::Remote
            | TrackedState::RemoteUnpinError
            | TrackedState::Sharded
            | TrackedState::UnexpectedlyUnpinned => {}
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one event")]
    fn on_finished(
        &mut self,
        key: &PinKey,
        revision: u64,
        result: JobResult,
        random: u64,
        now: UnixMillis,
        view: &dyn Snapshot,
        commands: &mut Vec<TrackerCommand>,
    ) -> Result<(), StoreError> {
        let Some(running) = self.running.get_mut(key) else { return Ok(()) };
        let action = running.action;
        let (key, cancelled) = (key.clone(), running.phase == Phase::Cancelling);
        running.phase = Phase::Settling;
        let transition = match (action, result) {
            // Whatever a given-up job reports, the row has moved on.
            _ if cancelled => None,
            (_, JobResult::Cancelled) | (Action::Check, JobResult::Done { .. } | JobResult::Failed(_)) => {
                None
            }
            (Action::Pin, JobResult::Done { size }) => {
                Some(TrackerInput::Pinned { key: key.clone(), revision, size })
            }
            (Action::Unpin, JobResult::Done { .. }) => {
                Some(TrackerInput::Unpinned { key: key.clone(), revision })
            }
            (_, JobResult::Missing) => {
                Some(TrackerInput::Missing { key: key.clone(), revision, next_attempt: now })
            }
            (Action::Pin | Action::Unpin, JobResult::Failed(error)) => {
                let attempts = read_row(view, &key)?.map_or(0, |row| row.attempts) + 1;
                let next_attempt = self.config.backoff.next(attempts, now, random);
                Some(TrackerInput::Failed { key: key.clone(), revision, error, next_attempt })
            }
        };
        match transition {
            Some(transition) => commands.push(TrackerCommand::Transition(transition)),
            None => {
                self.running.remove(&key);
                // The row may have been queued again while the old job was ending.
                if let Some(row) = read_row(view, &key)? {
                    self.enqueue(key, &row);
                }
            }
        }
        Ok(())
    }

    fn on_tick(
        &mut self,
        pinned: u64,
        now: UnixMillis,
        view: &dyn Snapshot,
        commands: &mut Vec<TrackerCommand>,
    ) -> Result<(), StoreError> {
        if self.due.is_empty() {
            let to = now.0.saturating_add(1).to_be_bytes();
            let rows = view.page(Tree::ByNextAttempt, Bound::Unbounded, Bound::Excluded(&to), DUE_PAGE)?;
            self.due =
                rows.iter().rev().filter_map(|(key, _)| PinKey::from_bytes(key.get(8..)?).ok()).collect();
        }
        let passed = self.last_tick.map_or(0.0, |last| now.since(last).as_secs_f64());
        self.last_tick = Some(now);
        let pass = self.config.check_pass.as_secs_f64().max(1.0);
        let rate = (pinned as f64 / pass).min(f64::from(self.config.checks_per_second));
        self.check_credit = (self.check_credit + passed * rate).min(f64::from(self.config.checks_per_second));
        while self.check_credit >= 1.0 && self.count(Action::Check) < self.config.concurrent_checks {
            self.check_credit -= 1.0;
            if !self.check_next(now, view, commands)? {
                break;
            }
        }
        Ok(())
    }

    /// Starts the check of the next pinned row that was not looked at lately; false at the end of a pass.
    fn check_next(
        &mut self,
        now: UnixMillis,
        view: &dyn Snapshot,
        commands: &mut Vec<TrackerCommand>,
    ) -> Result<bool, StoreError> {
        let start = [TrackedState::Pinned.number()];
        let from = self.checks.take().unwrap_or_else(|| start.to_vec());
        let end = [TrackedState::Pinned.number() + 1];
        let rows = view.page(Tree::ByStatus, Bound::Excluded(&from), Bound::Excluded(&end), 1)?;
        let Some((index, _)) = rows.into_iter().next() else { return Ok(false) };
        let key = index.get(1..).and_then(|key| PinKey::from_bytes(key).ok());
        self.checks = Some(index);
        if let Some(key) = key
            && let Some(row) = read_row(view, &key)?
            && now.since(row.since) >= self.config.check_pass
            && !self.running.contains_key(&key)
        {
            self.start(key, &row, Action::Check, commands);
        }
        Ok(true)
    }

    fn count(&self, action: Action) -> usize {
        self.running.values().filter(|r| r.action == action && r.phase != Phase::Settling).count()
    }

    fn has_room(&self, action: Action, limit: usize) -> bool {
        self.running.len() < MAX_SETTLING && self.count(action) < limit
    }

    fn fill(
        &mut self,
        now: UnixMillis,
        view: &dyn Snapshot,
        commands: &mut Vec<TrackerCommand>,
    ) -> Result<(), StoreError> {
        while self.has_room(Action::Unpin, self.config.concurrent_unpins) {
            let [first, second] = &mut self.unpins;
            let next = match first.pop(view)? {
                Some(key) => Some(key),
                None => second.pop(view)?,
            };
            let Some(key) = next else { break };
            self.consider(key, Action::Unpin, now, view, commands)?;
        }
        while self.has_room(Action::Pin, self.config.concurrent_pins) {
            let Some(key) = self.next_pin(view)? else { break };
            self.consider(key, Action::Pin, now, view, commands)?;
        }
        Ok(())
    }

    fn next_pin(&mut self, view: &dyn Snapshot) -> Result<Option<PinKey>, StoreError> {
        self.picks = self.picks.wrapping_add(1);
        let retry = self.due.pop();
        if retry.is_some() {
            return Ok(retry);
        }
        let (first, second) = if self.picks.is_multiple_of(NORMAL_SHARE) {
            (&mut self.normal, &mut self.priority)
        } else {
            (&mut self.priority, &mut self.normal)
        };
        match first.pop(view)? {
            Some(key) => Ok(Some(key)),
            None => second.pop(view),
        }
    }

    /// Looks at the row of a key that came out of a lane, and starts what it asks for.
    fn consider(
        &mut self,
        key: PinKey,
        wanted: Action,
        now: UnixMillis,
        view: &dyn Snapshot,
        commands: &mut Vec<TrackerCommand>,
    ) -> Result<(), StoreError> {
        if self.running.contains_key(&key) {
            return Ok(());
        }
        let Some(row) = read_row(view, &key)? else { return Ok(()) };
        let is_due = row.state.is_queued() || row.next_attempt.is_some_and(|at| at <= now);
        let action = match (row.state.wants_pin(), row.state.wants_unpin()) {
            (true, _) => Action::Pin,
            (_, true) => Action::Unpin,
            _ => return Ok(()),
        };
        if is_due && (action == wanted || self.count(action) < self.config.concurrent_unpins) {
            self.start(key, &row, action, commands);
        }
        Ok(())
    }

    fn start(&mut self, key: PinKey, row: &TrackerRow, action: Action, commands: &mut Vec<TrackerCommand>) {
        self.running.insert(key.clone(), Running { revision: row.revision, action, phase: Phase::Running });
        commands.push(TrackerCommand::Start(Job {
            key,
            revision: row.revision,
            action,
            attempts: row.attempts,
            priority: row.state == TrackedState::PinQueuedPriority,
        }));
    }
}

fn read_row(view: &dyn Snapshot, key: &PinKey) -> Result<Option<TrackerRow>, StoreError> {
    Ok(view.get(Tree::Tracker, key.as_bytes())?.as_deref().and_then(TrackerRow::decode))
}
