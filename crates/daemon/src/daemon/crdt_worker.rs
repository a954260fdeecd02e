//! Performs what the Merkle-CRDT wants done after a commit. Without a network that is to pack what waits.

use crate::config::CrdtConfig;
use cluster_consensus::crdt::{CrdtInput, CrdtOutput};
use cluster_core::{
    pinset::counters::{Counter, Counters},
    ports::Datastore,
};
use cluster_runtime::Pinset;
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

/// Commits whose outputs may wait. What does not fit is dropped; later commits repeat it.
const QUEUE: usize = 256;

/// The worker of the CRDT's engine.
pub(super) struct CrdtWorker {
    max_size: u64,
    max_age: Duration,
    pinset: Pinset<CrdtInput>,
    store: Arc<dyn Datastore>,
}

impl CrdtWorker {
    /// Makes the queue between the writer and the worker.
    pub(super) fn queue() -> (mpsc::Sender<Vec<CrdtOutput>>, mpsc::Receiver<Vec<CrdtOutput>>) {
        mpsc::channel(QUEUE)
    }

    pub(super) fn new(config: &CrdtConfig, pinset: Pinset<CrdtInput>, store: Arc<dyn Datastore>) -> Self {
        let batching = &config.batching;
        let (max_size, max_age) = if batching.is_on() {
            (batching.max_batch_size, batching.max_batch_age)
        } else {
            (1, Duration::ZERO)
        };
        Self { max_size, max_age, pinset, store }
    }

    pub(super) async fn run(self, mut outputs: mpsc::Receiver<Vec<CrdtOutput>>, stop: CancellationToken) {
        // What an earlier process left waiting is packed after one batching time.
        let mut waiting = self.waiting_rows();
        let mut pack_at = (waiting > 0).then(|| Instant::now() + self.max_age);
        loop {
            let timer = async {
                match pack_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                received = outputs.recv() => match received {
                    Some(batch) => {
                        let left = batch.iter().rev().find_map(|output| match output {
                            CrdtOutput::Waiting { operations, .. } => Some(*operations),
                            _ => None,
                        });
                        waiting = left.unwrap_or(0);
                        if waiting == 0 {
                            pack_at = None;
                        } else if waiting >= self.max_size {
                            pack_at = Some(Instant::now());
                        } else if pack_at.is_none() {
                            pack_at = Some(Instant::now() + self.max_age);
                        }
                    }
                    None => break,
                },
                () = timer => {
                    pack_at = None;
                    self.pinset.backend(CrdtInput::Pack).await;
                }
            }
        }
        if waiting > 0 {
            // An orderly stop leaves nothing unpublished that fits into a delta.
            self.pinset.backend(CrdtInput::Pack).await;
        }
    }

    fn waiting_rows(&self) -> u64 {
        let counters = self.store.snapshot().and_then(|snapshot| Counters::load(&*snapshot));
        counters.map_or(0, |counters| counters.get(Counter::Pending))
    }
}
