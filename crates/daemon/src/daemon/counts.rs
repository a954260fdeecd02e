//! What the work of a peer is counted by.

use cluster_consensus::crdt::{WalkProgress, read_progress};
use cluster_core::{
    ports::{Datastore, browse_api::Totals},
    tracker::InFlight,
};
use cluster_peer::count;
use std::sync::Arc;

/// Reads the totals of a running peer where they are kept.
#[derive(Clone)]
pub(crate) struct Counts {
    store: Arc<dyn Datastore>,
    in_flight: InFlight,
}

impl Counts {
    pub(super) fn new(store: Arc<dyn Datastore>, in_flight: InFlight) -> Self {
        Self { store, in_flight }
    }

    /// Reads how far the walks through the DAG are, and what became of the pins. `None` when the store fails, of which
    /// others tell.
    pub(crate) async fn read(&self) -> Option<(WalkProgress, Totals)> {
        let Self { store, in_flight } = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let walks = store.snapshot().and_then(|view| read_progress(&*view)).ok()?;
            Some((walks, count(&*store, &in_flight).ok()?))
        });
        read.await.ok().flatten()
    }
}
