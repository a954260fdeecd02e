//! Who hears of a commit: the tracker and the CRDT's worker.

use cluster_consensus::crdt::{CrdtInput, CrdtOutput};
use cluster_core::{
    pinset::{TrackerInput, TrackerOutcome, TrackerSignal},
    ports::BoxFuture,
};
use cluster_peer::TrackerPort;
use cluster_runtime::{Effects, FeedSender, Pinset};

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

    fn try_transition(&self, input: TrackerInput) -> Result<(), TrackerInput> {
        self.0.try_transition(input)
    }
}
