//! Who hears of a commit: the tracker and the consensus' worker, where there is one.

use cluster_core::pinset::TrackerSignal;
use cluster_runtime::{Effects, FeedSender};

/// Hands what rests on a commit to those who perform it.
#[derive(Debug)]
pub(super) struct CommitEffects<O> {
    pub(super) tracker: FeedSender<Vec<TrackerSignal>>,
    pub(super) worker: Option<FeedSender<Vec<O>>>,
}

impl<O: Send> Effects<O> for CommitEffects<O> {
    fn committed(&self, outputs: Vec<O>) {
        if let Some(worker) = &self.worker {
            worker.push(outputs);
        }
    }

    fn tracked(&self, signals: Vec<TrackerSignal>) {
        self.tracker.push(signals);
    }

    fn recovered(&self) {
        self.tracker.lose();
        if let Some(worker) = &self.worker {
            worker.lose();
        }
    }
}
