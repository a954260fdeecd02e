//! Who hears of a commit: the tracker and the CRDT's worker.

use cluster_consensus::crdt::CrdtOutput;
use cluster_core::pinset::TrackerSignal;
use cluster_runtime::{Effects, FeedSender};

/// Hands what rests on a commit to those who perform it.
#[derive(Debug)]
pub(super) struct CommitEffects {
    pub(super) tracker: FeedSender<Vec<TrackerSignal>>,
    pub(super) crdt: FeedSender<Vec<CrdtOutput>>,
}

impl Effects<CrdtOutput> for CommitEffects {
    fn committed(&self, outputs: Vec<CrdtOutput>) {
        self.crdt.push(outputs);
    }

    fn tracked(&self, signals: Vec<TrackerSignal>) {
        self.tracker.push(signals);
    }

    fn recovered(&self) {
        self.tracker.lose();
        self.crdt.lose();
    }
}
