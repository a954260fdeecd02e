//! What goes into the writer and what comes out.

use super::transition::{TrackerInput, TrackerOutcome, TrackerSignal};
use crate::{
    Pin, ReplicationFactors,
    ports::{
        consensus::{Applied, Operation, SubmitError},
        datastore::StoreError,
    },
};

/// Names one staged input, so that its outcome can be given to whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A change that was put in order somewhere else, and is carried out alike by every peer that hears of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered {
    /// The change.
    pub operation: Operation,
    /// Factors of a pin that names none, as configured where the change was submitted.
    pub replication: ReplicationFactors,
}

/// An input of the writer.
#[derive(Debug)]
pub enum Input<B> {
    /// A change of the pinset. Flushed class.
    Submit(Box<Operation>),
    /// A change out of a log that is durable elsewhere. Lazy class: it can be read and carried out again.
    Ordered(Box<Ordered>),
    /// A pin to store exactly as it is, without asking the rules: from an export, into a generation in the making, where
    /// nothing but imports was staged. Flushed class.
    Import(Box<Pin>),
    /// A transition of the tracker. Lazy class.
    Tracker(TrackerInput),
    /// An input of the backend. Lazy class: merged blocks can be fetched again.
    Backend(B),
}

/// The outcome of one staged input.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are submissions")]
pub enum Outcome {
    /// Of a change.
    Submit(Result<Applied, SubmitError>),
    /// Of a tracker transition.
    Tracker(TrackerOutcome),
    /// Of a backend's input: done, or the store failed.
    Backend(Result<(), String>),
}

/// What a successful commit hands out; all of it rests on durable rows.
#[derive(Debug)]
pub struct Committed<O> {
    /// Outcome of each staged input.
    pub outcomes: Vec<(Ticket, Outcome)>,
    /// Tracker rows that changed.
    pub signals: Vec<TrackerSignal>,
    /// What the backend wants done.
    pub outputs: Vec<O>,
    /// Number of the batch.
    pub batch: u64,
}

/// A failed commit: nothing of the batch is applied as far as this peer knows.
#[derive(Debug)]
pub struct CommitFailed {
    /// What failed.
    pub error: StoreError,
    /// Outcome of each staged input.
    pub outcomes: Vec<(Ticket, Outcome)>,
}

impl CommitFailed {
    /// Takes back what the inputs of a batch were going to be told.
    pub(super) fn new(error: StoreError, outcomes: Vec<(Ticket, Outcome)>) -> Self {
        let outcomes =
            outcomes.into_iter().map(|(ticket, outcome)| (ticket, failed(outcome, &error))).collect();
        Self { error, outcomes }
    }
}

fn failed(outcome: Outcome, error: &StoreError) -> Outcome {
    match outcome {
        // A refusal stands whatever happens to the batch: nothing was staged for it.
        Outcome::Submit(Err(refusal)) => Outcome::Submit(Err(refusal)),
        Outcome::Submit(Ok(_)) => Outcome::Submit(Err(SubmitError::from_store(error))),
        Outcome::Tracker(_) => Outcome::Tracker(TrackerOutcome::Ignored),
        Outcome::Backend(_) => Outcome::Backend(Err(error.to_string())),
    }
}
