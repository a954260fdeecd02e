//! What was written, but waits for a flush before anybody hears of it.

use cluster_core::pinset::{Committed, Outcome, Ticket, TrackerOutcome, TrackerSignal, writer::LAZY_LIMIT};
use tokio::time::Instant;

/// What several commits handed out.
pub(super) struct Unsynced<O> {
    /// When the flush is made, if no other comes before.
    pub(super) due: Instant,
    outcomes: Vec<(Ticket, Outcome)>,
    signals: Vec<TrackerSignal>,
    outputs: Vec<O>,
    batch: u64,
}

impl<O> Unsynced<O> {
    pub(super) fn new() -> Self {
        Self {
            due: Instant::now() + LAZY_LIMIT,
            outcomes: Vec::new(),
            signals: Vec::new(),
            outputs: Vec::new(),
            batch: 0,
        }
    }

    pub(super) fn add(&mut self, committed: Committed<O>) {
        self.outcomes.extend(committed.outcomes);
        self.signals.extend(committed.signals);
        self.outputs.extend(committed.outputs);
        self.batch = committed.batch;
    }

    pub(super) fn into_committed(self) -> Committed<O> {
        let Self { outcomes, signals, outputs, batch, .. } = self;
        Committed { outcomes, signals, outputs, batch }
    }

    /// What they are told who waited in vain. Only transitions of the tracker wait here: whoever submits is answered by a
    /// flushed commit.
    pub(super) fn into_failed(self) -> Vec<(Ticket, Outcome)> {
        let failed = |(ticket, _)| (ticket, Outcome::Tracker(TrackerOutcome::Ignored));
        self.outcomes.into_iter().map(failed).collect()
    }
}
