//! Snapshots of a pinset that is on the disk already: a view of the store, and the place that it shows.

use super::{
    super::{
        backend::read_row,
        codec,
        rows::{APPLIED, AppliedRow, damaged},
        snapshot::{ChunkSource, Chunks, SnapshotBody},
        type_config::TypeConfig,
    },
    Snapshot, SnapshotMeta, StateMachineError, blocking,
};
use cluster_core::{
    mutate::{Mutation as Defect, active},
    ports::datastore::{Datastore, Tree},
};
use openraft::RaftSnapshotBuilder;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Whether openraft was told of a snapshot since the start. It may ask for one only then.
#[derive(Debug, Default)]
pub(super) struct Built(AtomicBool);

impl Built {
    pub(super) fn note(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(super) fn is_noted(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Makes snapshots. Costs nothing but the view, however large the pinset is.
pub struct SnapshotBuilder {
    store: Arc<dyn Datastore>,
    built: Arc<Built>,
}

impl std::fmt::Debug for SnapshotBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotBuilder").field("built", &self.built).finish_non_exhaustive()
    }
}

impl SnapshotBuilder {
    pub(super) fn new(store: Arc<dyn Datastore>, built: Arc<Built>) -> Self {
        Self { store, built }
    }
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotBody;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let snapshot = take(self.store.clone()).await.map_err(io::Error::other)?;
        self.built.note();
        Ok(snapshot)
    }
}

/// Takes the snapshot of now: rows and place are of one view.
pub(super) async fn take(store: Arc<dyn Datastore>) -> Result<Snapshot, StateMachineError> {
    blocking(move || {
        let view = store.long_snapshot()?;
        let row = view.get(Tree::RaftState, APPLIED)?;
        let applied = read_row(row, "applied", AppliedRow::decode)?.unwrap_or_default();
        let last_membership =
            codec::stored_membership(&applied.membership).ok_or_else(|| damaged("applied"))?;
        let mut last = applied.last;
        if active(Defect::SnapshotAhead)
            && let Some(last) = &mut last
        {
            last.index += 1;
        }
        let meta = SnapshotMeta { last_log_id: last.map(codec::log_id), last_membership };
        let chunks = Chunks::View(ChunkSource::new(Arc::from(view)));
        Ok(Snapshot {
            meta,
            snapshot: SnapshotBody { clock: applied.clock, cluster: applied.cluster, chunks },
        })
    })
    .await
}
