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
    fn committed(&self, signals: Vec<TrackerSignal>, outputs: Vec<CrdtOutput>) {
        if !signals.is_empty() {
            self.tracker.push(signals);
        }
        if !outputs.is_empty() {
            self.crdt.push(outputs);
        }
    }

    fn recovered(&self) {
        self.tracker.lose();
        self.crdt.lose();
    }
}
