//! Who hears of a commit: the tracker and the CRDT's worker.

use cluster_consensus::crdt::{CrdtInput, CrdtOutput};
use cluster_core::{
    pinset::{TrackerInput, TrackerOutcome, TrackerSignal},
    ports::BoxFuture,
};
use cluster_peer::{TrackerEffects, TrackerPort};
use cluster_runtime::{Effects, Pinset};
use tokio::sync::mpsc;

/// Hands what rests on a commit to those who perform it.
pub(super) struct CommitEffects {
    tracker: TrackerEffects,
    crdt: mpsc::Sender<Vec<CrdtOutput>>,
}

impl CommitEffects {
    pub(super) fn new(tracker: TrackerEffects, crdt: mpsc::Sender<Vec<CrdtOutput>>) -> Self {
        Self { tracker, crdt }
    }
}

impl Effects<CrdtOutput> for CommitEffects {
    fn committed(&self, signals: Vec<TrackerSignal>, outputs: Vec<CrdtOutput>) {
        self.tracker.signal(signals);
        if !outputs.is_empty() {
            // A worker that lags misses nothing for good: heads are announced again, walks and waiting operations
            // stand in rows, and every later commit repeats how many wait.
            let _ = self.crdt.try_send(outputs);
        }
    }

    fn recovered(&self) {
        self.tracker.resync();
    }
}

/// The writer as the tracker uses it.
pub(super) struct WriterPort(Pinset<CrdtInput>);

impl WriterPort {
    pub(super) fn new(pinset: Pinset<CrdtInput>) -> Self {
        Self(pinset)
    }
}

impl TrackerPort for WriterPort {
    fn transition(&self, input: TrackerInput) -> BoxFuture<'static, TrackerOutcome> {
        let pinset = self.0.clone();
        Box::pin(async move { pinset.transition(input).await })
    }
}
