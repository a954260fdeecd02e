//! What the log leads to: the pinset, through its one writer.

mod installing;
mod snapshot_builder;

pub use snapshot_builder::SnapshotBuilder;

use super::{
    apply_group::ApplyGroup,
    backend::{RaftInput, read_row},
    codec::{self, StoredMembership},
    log_store::RaftLogStore,
    position::LogPosition,
    rows::{APPLIED, AppliedRow, INSTALLING, InstallingRow, damaged},
    snapshot::{ChunkSource, Chunks, HeldPlace, SnapshotBody, Spool, SpoolPlace, clear_spool},
    type_config::{CarriedOut, LogId, TypeConfig, alias},
    waiters::Waiters,
};
use cluster_core::{
    pinset::Outcome,
    ports::datastore::{Datastore, StoreError, Tree},
};
use cluster_runtime::{Group, GroupFailed, Pinset};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use openraft::{
    OptionalSend,
    storage::{EntryResponder, RaftStateMachine as StateMachine},
};
use snapshot_builder::Built;
use std::{io, sync::Arc};
use tokio::sync::watch;

type SnapshotMeta = alias::SnapshotMetaOf<TypeConfig>;
type Snapshot = alias::SnapshotOf<TypeConfig, SnapshotBody>;

/// Why the state machine cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StateMachineError {
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The writer did not take a group.
    #[error(transparent)]
    Writer(#[from] GroupFailed),
    /// A blocking task was ended.
    #[error("the peer is stopping")]
    Stopping,
}

/// openraft's state machine over the pinset. It keeps nothing but its place in the log; all rows are the writer's.
#[derive(Debug)]
pub struct RaftStateMachine {
    shared: Arc<Shared>,
    applied: AppliedRow,
    /// Whether openraft was told of a snapshot.
    built: Arc<Built>,
}

struct Shared {
    store: Arc<dyn Datastore>,
    pinset: Pinset<RaftInput>,
    log: RaftLogStore,
    waiters: Arc<Waiters>,
    place: SpoolPlace,
    progress: watch::Sender<Option<LogPosition>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("progress", &self.progress).finish_non_exhaustive()
    }
}

impl RaftStateMachine {
    /// Starts from what the store holds. A snapshot whose installation was interrupted is installed first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open(
        store: Arc<dyn Datastore>,
        pinset: Pinset<RaftInput>,
        log: RaftLogStore,
        waiters: Arc<Waiters>,
    ) -> Result<Self, StateMachineError> {
        let read = {
            let store = store.clone();
            blocking(move || {
                let view = store.snapshot()?;
                let applied = view.get(Tree::RaftState, APPLIED)?;
                let installing = view.get(Tree::RaftState, INSTALLING)?;
                Ok((
                    read_row(applied, "applied", AppliedRow::decode)?.unwrap_or_default(),
                    read_row(installing, "installing", InstallingRow::decode)?,
                ))
            })
        };
        let (applied, installing) = read.await?;
        let (progress, _) = watch::channel(applied.last);
        let shared = Arc::new(Shared {
            store: store.clone(),
            pinset,
            log,
            waiters,
            place: SpoolPlace::default(),
            progress,
        });
        let mut machine = Self { shared, applied, built: Arc::default() };
        match installing {
            Some(row) => {
                tracing::info!(target: "raft", chunks = row.chunks, "going on with the installation of a snapshot");
                machine.install(row).await?;
            }
            None => blocking(move || clear_spool(&*store)).await?,
        }
        Ok(machine)
    }

    /// Returns who may fill the spool.
    pub(super) fn spool_place(&self) -> SpoolPlace {
        self.shared.place.clone()
    }

    /// Follows up to where the log is carried out.
    pub fn progress(&self) -> watch::Receiver<Option<LogPosition>> {
        self.shared.progress.subscribe()
    }

    async fn carry_out(&mut self, group: ApplyGroup) -> Result<(), GroupFailed> {
        let (inputs, proposals, applied) = group.finish();
        let outcomes = self.send(inputs).await?;
        self.set_applied(applied);
        let mut outcomes: Vec<Option<Outcome>> = outcomes.into_iter().map(Some).collect();
        for (place, nonce) in proposals {
            if let Some(Outcome::Submit(answer)) = outcomes.get_mut(place).and_then(Option::take) {
                self.shared.waiters.answer(nonce, answer);
            }
        }
        Ok(())
    }

    /// Writes the chunks of a view into the spool.
    async fn copy(&self, mut source: ChunkSource) -> Result<(u64, HeldPlace), io::Error> {
        let place = self.shared.place.take();
        let place = place.ok_or_else(|| io::Error::other("another snapshot is arriving"))?;
        let store = self.shared.store.clone();
        let copied = blocking(move || {
            let mut spool = Spool::begin(store, place)?;
            while let Some(chunk) = source.next_chunk()? {
                spool.add(chunk.encode())?;
            }
            Ok(spool.into_parts())
        });
        copied.await.map_err(io::Error::other)
    }

    async fn send(&self, group: Group<RaftInput>) -> Result<Vec<Outcome>, GroupFailed> {
        self.shared.pinset.carry_out(group).await
    }

    fn set_applied(&mut self, applied: AppliedRow) {
        self.shared.progress.send_replace(applied.last);
        self.applied = applied;
    }
}

/// Runs what blocks on the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StateMachineError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|_| StateMachineError::Stopping)??)
}

impl StateMachine<TypeConfig> for RaftStateMachine {
    type SnapshotData = SnapshotBody;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let membership = codec::stored_membership(&self.applied.membership)
            .ok_or_else(|| io::Error::other(damaged("applied")))?;
        Ok((self.applied.last.map(codec::log_id), membership))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some(item) = entries.next().await {
            let mut group = ApplyGroup::after(&self.applied);
            let mut responders = Vec::new();
            let mut next = Some(item);
            while let Some(item) = next {
                let (entry, responder) = item?;
                // Peers that leave out what they cannot read have another pinset from then on.
                group.add(&entry).map_err(io::Error::other)?;
                responders.extend(responder);
                // What is there already shares the batch; nobody waits for more.
                next = if group.is_full() { None } else { entries.next().now_or_never().flatten() };
            }
            if let Some(last) = group.last() {
                self.shared.log.written(last.index).await?;
            }
            self.carry_out(group).await.map_err(io::Error::other)?;
            responders.into_iter().for_each(|responder| responder.send(CarriedOut));
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder::new(self.shared.store.clone(), self.built.clone())
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, body: SnapshotBody) -> Result<(), io::Error> {
        let SnapshotBody { clock, chunks } = body;
        let (chunks, place) = match chunks {
            Chunks::Spooled { chunks, place } => (chunks, place),
            Chunks::View(source) => self.copy(source).await?,
        };
        let applied = AppliedRow {
            last: meta.last_log_id.as_ref().map(codec::position),
            membership: codec::membership_row(&meta.last_membership),
            clock,
        };
        let row = InstallingRow { applied, chunks };
        self.begin_installing(&row).await.map_err(io::Error::other)?;
        self.install(row).await.map_err(io::Error::other)?;
        drop(place);
        self.built.note();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        if !self.built.is_noted() {
            return Ok(None);
        }
        // The pinset of now will do for a snapshot of before, and is what there is.
        let store = self.shared.store.clone();
        snapshot_builder::take(store).await.map(Some).map_err(io::Error::other)
    }
}
