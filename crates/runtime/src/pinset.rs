//! The thread that drives the pinset's writer.

mod worker;

pub use worker::Effects;

use crate::WorkerThread;
use cluster_core::{
    UnixMillis,
    pinset::{Backend, Input, Outcome, TrackerInput, TrackerOutcome, Writer},
    ports::consensus::{Applied, Operation, SubmitError},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot, watch};
use worker::{Told, Worker};

/// Commands that may wait for the writer. A full queue makes submitters wait; those who wait longer than
/// [`SUBMIT_WAIT`] are told that the peer is busy.
const QUEUE: usize = 8192;

/// How long a submission waits for a place in the queue.
const SUBMIT_WAIT: Duration = Duration::from_secs(5);

type Reading = Box<dyn FnOnce(&dyn WriterView) + Send>;

enum Command<I> {
    Submit(Box<Operation>, oneshot::Sender<Result<Applied, SubmitError>>),
    Tracker(TrackerInput, Option<oneshot::Sender<TrackerOutcome>>),
    Backend(I),
    Group(Group<I>, oneshot::Sender<Result<Vec<Outcome>, GroupFailed>>),
    Read(Reading),
}

/// Inputs that go into one batch, each with the time that it is carried out at.
pub type Group<I> = Vec<(Input<I>, UnixMillis)>;

/// A group was not written, as far as this peer knows; what the store holds has to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pinset did not take a group of changes: {cause}")]
pub struct GroupFailed {
    /// Why, with the remedy.
    pub cause: String,
    /// The store works and was only busy: nothing was tried, and the same group can be handed in again a little later.
    pub is_busy: bool,
}

/// What can be read of the writer on its own thread.
pub trait WriterView {
    /// Returns the totals.
    fn counters(&self) -> &cluster_core::pinset::counters::Counters;
    /// Returns the fingerprint of what was published.
    fn fingerprint(&self) -> &cluster_core::pinset::fingerprint::Fingerprint;
}

impl<B: Backend> WriterView for Writer<B> {
    fn counters(&self) -> &cluster_core::pinset::counters::Counters {
        self.counters()
    }

    fn fingerprint(&self) -> &cluster_core::pinset::fingerprint::Fingerprint {
        self.fingerprint()
    }
}

/// What a submitter is told that found the queue full for [`SUBMIT_WAIT`].
const QUEUE_FULL: &str = "too many changes wait to be written: try again later";

/// A handle on the writer: cheap to clone, usable from any task.
#[derive(Debug)]
pub struct Pinset<I> {
    queue: mpsc::Sender<Command<I>>,
    batches: watch::Receiver<u64>,
    failures: watch::Receiver<u64>,
}

impl<I> Clone for Pinset<I> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), batches: self.batches.clone(), failures: self.failures.clone() }
    }
}

impl<I: Send + 'static> Pinset<I> {
    /// Returns the number of the last batch that was written; whoever waits for a change of it hears of every batch.
    pub fn batches(&self) -> watch::Receiver<u64> {
        self.batches.clone()
    }

    /// Counts how often the store failed. What was shown since the last flush may be lost then: it is gone once the store takes up
    /// work again, which it does not before this is told.
    pub fn failures(&self) -> watch::Receiver<u64> {
        self.failures.clone()
    }

    /// Submits a change and waits until it is durable.
    ///
    /// # Errors
    /// As [`SubmitError`] says; [`SubmitError::Busy`] when the queue stays full for some seconds.
    ///
    /// # Cancel safety
    /// A change that reached the queue is made whether or not somebody waits.
    pub async fn submit(&self, operation: Operation) -> Result<Applied, SubmitError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Submit(Box::new(operation), reply);
        match self.queue.try_send(command) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(SubmitError::Stopping),
            Err(mpsc::error::TrySendError::Full(command)) => {
                match tokio::time::timeout(SUBMIT_WAIT, self.queue.send(command)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Err(SubmitError::Stopping),
                    Err(_) => return Err(SubmitError::Busy { cause: QUEUE_FULL.to_owned() }),
                }
            }
        }
        // The thread answers everything it took; a dropped reply means that it died half-way.
        answer.await.unwrap_or_else(|_| Err(SubmitError::Unknown { cause: "the writer stopped".to_owned() }))
    }

    /// Hands in a transition of the tracker and waits until it is durable or dropped.
    pub async fn transition(&self, input: TrackerInput) -> TrackerOutcome {
        let (reply, answer) = oneshot::channel();
        if self.queue.send(Command::Tracker(input, Some(reply))).await.is_err() {
            return TrackerOutcome::Ignored;
        }
        answer.await.unwrap_or(TrackerOutcome::Ignored)
    }

    /// Hands in a transition of the tracker without waiting. What comes of it is told by a signal of the commit, or, when
    /// the store fails, by [`Effects::recovered`].
    ///
    /// # Errors
    /// The transition, when the queue is full. A stopped writer takes it and does nothing.
    pub fn try_transition(&self, input: TrackerInput) -> Result<(), TrackerInput> {
        match self.queue.try_send(Command::Tracker(input, None)) {
            Err(mpsc::error::TrySendError::Full(Command::Tracker(input, _))) => Err(input),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Hands in an input of the backend without waiting for a place.
    ///
    /// # Errors
    /// The input, when the queue is full; the caller offers it again later. A stopped writer takes it and does
    /// nothing.
    pub fn try_backend(&self, input: I) -> Result<(), I> {
        match self.queue.try_send(Command::Backend(input)) {
            Err(mpsc::error::TrySendError::Full(Command::Backend(input))) => Err(input),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Hands in an input of the backend.
    pub async fn backend(&self, input: I) {
        // A stopped writer needs no inputs.
        let _ = self.queue.send(Command::Backend(input)).await;
    }

    /// Has a group of inputs carried out in one batch, and returns their outcomes in the same order. The batch is visible
    /// then, but survives a power cut only with the next flush, 20 ms later at most: for changes that can be carried out
    /// again. What the tracker and the backend's worker hear of it waits for that flush.
    ///
    /// # Errors
    /// When the store fails, or takes no writes.
    ///
    /// # Cancel safety
    /// A group that reached the queue is carried out whether or not somebody waits.
    pub async fn carry_out(&self, group: Group<I>) -> Result<Vec<Outcome>, GroupFailed> {
        let stopped = || GroupFailed { cause: "the writer stopped".to_owned(), is_busy: false };
        let (reply, answer) = oneshot::channel();
        self.queue.send(Command::Group(group, reply)).await.map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Reads something of the writer's memory; `None` when it has stopped.
    pub async fn read<T, F>(&self, read: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn WriterView) -> T + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let command = Command::Read(Box::new(move |view| {
            // Whoever asked may have gone.
            let _ = reply.send(read(view));
        }));
        self.queue.send(command).await.ok()?;
        answer.await.ok()
    }
}

/// Starts the writer's thread; `effects` is called on it after every commit. It ends, after a last commit, when every
/// [`Pinset`] handle is gone.
///
/// # Errors
/// When the system refuses a thread.
pub fn start_pinset<B>(
    writer: Writer<B>,
    effects: Arc<dyn Effects<B::Output>>,
) -> std::io::Result<(Pinset<B::Input>, WorkerThread)>
where
    B: Backend + 'static,
    B::Input: 'static,
    B::Output: 'static,
{
    let (queue, commands) = mpsc::channel(QUEUE);
    let (told, batches) = watch::channel(writer.batch());
    let (failed, failures) = watch::channel(0);
    let told = Told { batches: told, failures: failed };
    let thread = WorkerThread::start("pinset", move || Worker::new(writer, commands, effects, told).run())?;
    Ok((Pinset { queue, batches, failures }, thread))
}
