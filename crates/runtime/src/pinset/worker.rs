//! The loop of the writer's thread.

mod unsynced;

use super::{Command, Group, GroupFailed};
use crate::clock;
use cluster_core::{
    UnixMillis,
    pinset::{
        Backend, CommitFailed, Committed, Input, Outcome, Ticket, TrackerOutcome, TrackerSignal, Writer,
        indexing::IndexState,
    },
    ports::{
        consensus::{Applied, SubmitError},
        datastore::StoreError,
    },
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use unsynced::Unsynced;

/// Commands that one commit takes at most.
const GROUP: usize = 1024;

/// First pause before the store is tried again after a failed write.
const RECOVER_FIRST: Duration = Duration::from_millis(50);

/// Pause between two steps of a search index while nothing else is to be done: it takes at most about half a core.
const INDEX_PAUSE: Duration = Duration::from_millis(2);

/// Longest such pause.
const RECOVER_MAX: Duration = Duration::from_secs(5);

/// Longest such pause while the store is healthy and somebody exports it.
const EXPORT_MAX: Duration = Duration::from_millis(200);

/// Receives what rests on a commit. Called on the writer's thread, so it must not block: it hands over to
/// bounded queues and notes what did not fit.
pub trait Effects<O>: Send + Sync {
    /// A batch is durable. Told before whoever submitted it is answered: other peers wait for what comes of it.
    fn committed(&self, outputs: Vec<O>);

    /// Rows of the tracker are durable. Told last.
    fn tracked(&self, signals: Vec<TrackerSignal>);

    /// The store took up work again after a failed write: whoever follows the rows must read them anew.
    fn recovered(&self);
}

enum Reply {
    Submit(oneshot::Sender<Result<Applied, SubmitError>>),
    Tracker(oneshot::Sender<TrackerOutcome>),
}

/// What whoever holds a handle follows.
pub(super) struct Told {
    /// The number of the last batch.
    pub(super) batches: watch::Sender<u64>,
    /// How often the store failed.
    pub(super) failures: watch::Sender<u64>,
}

pub(super) struct Worker<B: Backend> {
    writer: Writer<B>,
    commands: mpsc::Receiver<Command<B::Input>>,
    effects: Arc<dyn Effects<B::Output>>,
    told: Told,
    replies: HashMap<Ticket, Reply>,
    /// When what is staged is written at the latest.
    due: Option<Instant>,
    /// What was written and waits for a flush.
    unsynced: Option<Unsynced<B::Output>>,
    /// Why no writes are taken, and when to try the store again.
    broken: Option<Broken>,
}

struct Broken {
    cause: String,
    /// The store works, but somebody exports it.
    is_busy: bool,
    retry_at: Instant,
    pause: Duration,
}

impl Broken {
    fn group_failed(&self) -> GroupFailed {
        GroupFailed { cause: self.cause.clone(), is_busy: self.is_busy }
    }
}

impl<B: Backend> Worker<B> {
    pub(super) fn new(
        writer: Writer<B>,
        commands: mpsc::Receiver<Command<B::Input>>,
        effects: Arc<dyn Effects<B::Output>>,
        told: Told,
    ) -> Self {
        Self {
            writer,
            commands,
            effects,
            told,
            replies: HashMap::new(),
            due: None,
            unsynced: None,
            broken: None,
        }
    }

    pub(super) async fn run(mut self) {
        let mut group = Vec::with_capacity(GROUP);
        loop {
            let taken = self.wait(&mut group).await;
            let now = clock::now();
            for command in group.drain(..) {
                self.stage(command, now);
                if self.writer.is_full() {
                    self.commit(now);
                }
            }
            self.index(now);
            self.set_due(now);
            if self.due.is_some_and(|at| at <= Instant::now()) || taken == Some(0) {
                self.commit(now);
            }
            if self.unsynced.as_ref().is_some_and(|waiting| waiting.due <= Instant::now()) || taken == Some(0)
            {
                self.sync();
            }
            self.try_recover();
            if taken == Some(0) {
                return;
            }
        }
    }

    /// Waits for commands, or until the staged lazy changes or the store are due; `Some(0)` when all handles
    /// are gone.
    async fn wait(&mut self, group: &mut Vec<Command<B::Input>>) -> Option<usize> {
        let lazy = self.due.map(|at| at.saturating_duration_since(Instant::now()));
        let step = self.index_pause();
        let retry = self.broken.as_ref().map(|b| b.retry_at.saturating_duration_since(Instant::now()));
        let sync = self.unsynced.as_ref().map(|u| u.due.saturating_duration_since(Instant::now()));
        match lazy.into_iter().chain(retry).chain(step).chain(sync).min() {
            None => Some(self.commands.recv_many(group, GROUP).await),
            Some(wait) => tokio::time::timeout(wait, self.commands.recv_many(group, GROUP)).await.ok(),
        }
    }

    /// Takes note of when what was staged at `now` is due, by a clock that nobody sets.
    fn set_due(&mut self, now: UnixMillis) {
        self.due = self.writer.deadline().map(|at| {
            let due = Instant::now() + at.since(now);
            self.due.map_or(due, |before| before.min(due))
        });
    }

    /// How long the making of a search index may wait for commands.
    fn index_pause(&self) -> Option<Duration> {
        let is_open = self.broken.is_none() && self.writer.unfinished_index().is_some();
        is_open.then_some(INDEX_PAUSE)
    }

    /// Makes the next step of a search index, which travels with what is staged anyhow.
    fn index(&mut self, now: UnixMillis) {
        if self.broken.is_some() {
            return;
        }
        let Some((index, state)) = self.writer.stage_index_step(now) else { return };
        let name = index.name();
        match state {
            IndexState::Building { done: 0, .. } => {
                tracing::info!(target: "service", pins = self.writer.counters().pins(), "making the search index by {name}");
            }
            IndexState::Ready => tracing::info!(target: "service", "the search index by {name} is ready"),
            IndexState::Building { .. } | IndexState::Clearing(_) => {}
        }
    }

    fn stage(&mut self, command: Command<B::Input>, now: UnixMillis) {
        if let Some(broken) = &self.broken {
            match command {
                Command::Submit(_, reply) => {
                    // Whoever asked may have gone.
                    let _ = reply.send(Err(SubmitError::Busy { cause: broken.cause.clone() }));
                }
                Command::Tracker(_, reply) => {
                    if let Some(reply) = reply {
                        let _ = reply.send(TrackerOutcome::Ignored);
                    }
                }
                Command::Backend(_) => {}
                Command::Group(_, reply) => drop(reply.send(Err(broken.group_failed()))),
                Command::Read(read) => read(&self.writer),
            }
            return;
        }
        match command {
            Command::Submit(operation, reply) => {
                let ticket = self.writer.stage(Input::Submit(operation), now);
                self.replies.insert(ticket, Reply::Submit(reply));
            }
            Command::Tracker(input, reply) => {
                let ticket = self.writer.stage(Input::Tracker(input), now);
                self.replies.extend(reply.map(|reply| (ticket, Reply::Tracker(reply))));
            }
            Command::Backend(input) => {
                self.writer.stage(Input::Backend(input), now);
            }
            Command::Group(group, reply) => {
                // Whoever asked may have gone.
                let _ = reply.send(self.carry_out(group, now));
            }
            Command::Read(read) => read(&self.writer),
        }
    }

    /// Writes a group, with what is staged already, and leaves it to a later flush to make it durable.
    fn carry_out(&mut self, group: Group<B::Input>, now: UnixMillis) -> Result<Vec<Outcome>, GroupFailed> {
        // What only this peer has is not shown before its own flush.
        if self.writer.deadline() == Some(UnixMillis(0)) {
            self.commit(now);
            if let Some(broken) = &self.broken {
                return Err(broken.group_failed());
            }
        }
        let tickets: Vec<Ticket> =
            group.into_iter().map(|(input, at)| self.writer.stage(input, at)).collect();
        self.due = None;
        match self.writer.commit_unsynced(now) {
            Ok(mut committed) => {
                let first = tickets.first().copied();
                let split = committed.outcomes.iter().position(|(ticket, _)| Some(*ticket) == first);
                let of_group = committed.outcomes.split_off(split.unwrap_or(committed.outcomes.len()));
                let waiting = self.unsynced.get_or_insert_with(Unsynced::new);
                waiting.add(committed);
                Ok(of_group.into_iter().map(|(_, outcome)| outcome).collect())
            }
            Err(CommitFailed { error, outcomes }) => {
                let is_busy = matches!(error, StoreError::Busy);
                let failed = GroupFailed { cause: error.to_string(), is_busy };
                self.on_failed(&error, outcomes);
                Err(failed)
            }
        }
    }

    /// Makes durable what was written without a flush, and hands out what waited for that.
    fn sync(&mut self) {
        if self.broken.is_some() || self.unsynced.is_none() {
            return;
        }
        match self.writer.store().sync() {
            Ok(()) => self.tell_synced(),
            Err(error) => self.on_failed(&error, Vec::new()),
        }
    }

    fn tell_synced(&mut self) {
        if let Some(waiting) = self.unsynced.take() {
            self.tell(waiting.into_committed());
        }
    }

    fn tell(&mut self, committed: Committed<B::Output>) {
        let Committed { outcomes, signals, outputs, batch } = committed;
        if !outputs.is_empty() {
            self.effects.committed(outputs);
        }
        self.reply(outcomes);
        if !signals.is_empty() {
            self.effects.tracked(signals);
        }
        if self.unsynced.is_none() {
            self.told.batches.send_if_modified(|told| std::mem::replace(told, batch) != batch);
        }
    }

    /// Takes no changes until the store works again. What waited for a flush may be lost: who followed it reads the rows
    /// anew then.
    fn on_failed(&mut self, error: &StoreError, outcomes: Vec<(Ticket, Outcome)>) {
        let is_busy = matches!(error, StoreError::Busy);
        if is_busy {
            tracing::info!(target: "service", "taking no changes while the store is exported");
        } else {
            self.told.failures.send_modify(|failures| *failures += 1);
            tracing::error!(target: "service", error = %Chain(error), "a write failed; taking no changes until the store works again");
        }
        self.broken = Some(Broken {
            cause: error.to_string(),
            is_busy,
            retry_at: Instant::now() + RECOVER_FIRST,
            pause: RECOVER_FIRST,
        });
        self.reply(outcomes);
        if let Some(waiting) = self.unsynced.take() {
            self.reply(waiting.into_failed());
        }
    }

    fn commit(&mut self, now: UnixMillis) {
        self.due = None;
        let before = self.writer.batch();
        match self.writer.commit(now) {
            Ok(committed) => {
                // A flush makes everything before it durable; where nothing was to be written there was none.
                if committed.batch != before {
                    self.tell_synced();
                }
                self.tell(committed);
            }
            Err(CommitFailed { error, outcomes }) => self.on_failed(&error, outcomes),
        }
    }

    /// Answers whoever asked, clients first: each answer wakes another thread, which may take this one's core.
    fn reply(&mut self, outcomes: Vec<(Ticket, Outcome)>) {
        let mut later = Vec::new();
        for (ticket, outcome) in outcomes {
            // Whoever asked may have gone; the change stands all the same.
            match (outcome, self.replies.remove(&ticket)) {
                (Outcome::Submit(result), Some(Reply::Submit(reply))) => drop(reply.send(result)),
                (Outcome::Tracker(outcome), Some(Reply::Tracker(reply))) => later.push((reply, outcome)),
                _ => {}
            }
        }
        for (reply, outcome) in later {
            let _ = reply.send(outcome);
        }
    }

    fn try_recover(&mut self) {
        let Some(broken) = &mut self.broken else { return };
        if Instant::now() < broken.retry_at {
            return;
        }
        let recovered = self.writer.recover();
        match recovered {
            Ok(()) => {
                tracing::info!(target: "service", "the store takes changes again");
                self.broken = None;
                self.effects.recovered();
            }
            Err(error) => {
                broken.is_busy = matches!(error, StoreError::Busy);
                let longest = if broken.is_busy { EXPORT_MAX } else { RECOVER_MAX };
                broken.pause = (broken.pause * 2).min(longest);
                broken.retry_at = Instant::now() + broken.pause;
                broken.cause = error.to_string();
                tracing::debug!(target: "service", error = %Chain(&error), "the store does not work yet");
            }
        }
    }
}

/// Prints an error with its causes.
struct Chain<'a>(&'a StoreError);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = std::error::Error::source(self.0);
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}
