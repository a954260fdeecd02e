//! From the writer's commits to the tracker.

use cluster_core::pinset::TrackerSignal;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::mpsc;

/// Batches of signals that may wait for the tracker. When they do not fit, the tracker reads its rows anew.
const QUEUE: usize = 256;

/// The writer's end.
#[derive(Debug, Clone)]
pub struct TrackerEffects {
    queue: mpsc::Sender<Vec<TrackerSignal>>,
    missed: Arc<AtomicBool>,
}

/// The tracker's end.
#[derive(Debug)]
pub struct TrackerQueue {
    queue: mpsc::Receiver<Vec<TrackerSignal>>,
    missed: Arc<AtomicBool>,
}

impl TrackerEffects {
    /// Makes both ends.
    pub fn new() -> (Self, TrackerQueue) {
        let (sender, queue) = mpsc::channel(QUEUE);
        let missed = Arc::new(AtomicBool::new(false));
        (Self { queue: sender, missed: missed.clone() }, TrackerQueue { queue, missed })
    }

    /// Hands over the rows that a commit changed.
    pub fn signal(&self, signals: Vec<TrackerSignal>) {
        if !signals.is_empty() && self.queue.try_send(signals).is_err() {
            self.resync();
        }
    }

    /// Makes the tracker read its rows anew.
    pub fn resync(&self) {
        self.missed.store(true, Ordering::Release);
        // Wakes a tracker that waits; one whose queue is full is awake.
        let _ = self.queue.try_send(Vec::new());
    }
}

impl TrackerQueue {
    /// Waits for the next batch; `None` when the writer has gone.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Option<Vec<TrackerSignal>> {
        self.queue.recv().await
    }

    /// Says, once, whether something was missed.
    pub(crate) fn take_missed(&self) -> bool {
        self.missed.swap(false, Ordering::AcqRel)
    }
}
