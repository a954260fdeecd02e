//! What the log leads to: the pinset, through its one writer.

mod installing;
mod snapshot_builder;

pub use snapshot_builder::SnapshotBuilder;

use super::{
    apply_group::ApplyGroup,
    backend::{RaftInput, read_row},
    cluster_id::Identity,
    codec::{self, StoredMembership},
    log_store::RaftLogStore,
    position::LogPosition,
    readiness::Readiness,
    rows::{APPLIED, AppliedRow, CLUSTER, INSTALLING, damaged, read_cluster},
    snapshot::{ChunkSource, Chunks, HeldSpool, SnapshotBody, Spool},
    type_config::{CarriedOut, Entry, LogId, TypeConfig, alias},
    waiters::Waiters,
};
use cluster_core::{
    mutate::{Mutation as Defect, active},
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
use std::{io, sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

type SnapshotMeta = alias::SnapshotMetaOf<TypeConfig>;
type Snapshot = alias::SnapshotOf<TypeConfig, SnapshotBody>;

/// First pause while the store is busy.
const BUSY_FIRST: Duration = Duration::from_millis(5);

/// Longest such pause.
const BUSY_LONGEST: Duration = Duration::from_millis(200);

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

/// What the state machine works with.
pub struct MachineParts {
    /// The store of this peer.
    pub store: Arc<dyn Datastore>,
    /// The writer of its pinset.
    pub pinset: Pinset<RaftInput>,
    /// Its log.
    pub log: RaftLogStore,
    /// Who waits for outcomes.
    pub waiters: Arc<Waiters>,
    /// Who is told which cluster the rows belong to.
    pub identity: Identity,
    /// Who is told while a snapshot is half-way into the pinset.
    pub ready: Readiness,
    /// Once it is cancelled, a busy store is not waited for any more.
    pub stopping: CancellationToken,
}

struct Shared {
    store: Arc<dyn Datastore>,
    pinset: Pinset<RaftInput>,
    log: RaftLogStore,
    waiters: Arc<Waiters>,
    spool: Spool,
    progress: watch::Sender<Option<LogPosition>>,
    identity: Identity,
    ready: Readiness,
    stopping: CancellationToken,
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
    pub async fn open(parts: MachineParts) -> Result<Self, StateMachineError> {
        let MachineParts { store, pinset, log, waiters, identity, ready, stopping } = parts;
        let read = {
            let store = store.clone();
            blocking(move || {
                let view = store.snapshot()?;
                let applied = view.get(Tree::RaftState, APPLIED)?;
                let installing = view.get(Tree::RaftState, INSTALLING)?;
                let cluster = view.get(Tree::RaftState, CLUSTER)?;
                Ok((
                    read_row(cluster, "cluster", read_cluster)?,
                    read_row(applied, "applied", AppliedRow::decode)?.unwrap_or_default(),
                    read_row(installing, "installing", AppliedRow::decode)?,
                    Spool::open(store.clone())?,
                ))
            })
        };
        let (adopted, applied, installing, spool) = read.await?;
        let (progress, _) = watch::channel(applied.last);
        let shared = Arc::new(Shared {
            store: store.clone(),
            pinset,
            log,
            waiters,
            spool,
            progress,
            identity,
            ready,
            stopping,
        });
        shared.ready.set_whole(installing.is_none());
        shared.identity.set_adopted(adopted);
        shared.identity.set_founded(applied.cluster);
        let mut machine = Self { shared, applied, built: Arc::default() };
        match installing {
            Some(row) => {
                tracing::info!(target: "raft", "going on with the installation of a snapshot");
                let spool = machine.shared.spool.hold().ok_or(StateMachineError::Stopping)?;
                machine.install(row, spool).await?;
            }
            None => machine.forget_passed().await?,
        }
        Ok(machine)
    }

    /// Returns where the chunks of snapshots go.
    pub(super) fn spool(&self) -> Spool {
        self.shared.spool.clone()
    }

    /// Follows up to where the log is carried out.
    pub fn progress(&self) -> watch::Receiver<Option<LogPosition>> {
        self.shared.progress.subscribe()
    }

    /// Carries out entries that follow what was carried out; waits while the store is busy.
    async fn carry_out(&mut self, group: ApplyGroup, entries: &[Entry]) -> Result<(), io::Error> {
        let mut group = Some(group);
        let mut pause = BUSY_FIRST;
        let (outcomes, proposals, applied) = loop {
            let next = match group.take() {
                Some(group) => group,
                None => ApplyGroup::of(&self.applied, entries).map_err(io::Error::other)?,
            };
            let (inputs, proposals, applied) = next.finish();
            match self.send(inputs).await {
                Ok(outcomes) => break (outcomes, proposals, applied),
                Err(failed) => self.wait_while_busy(failed, &mut pause).await.map_err(io::Error::other)?,
            }
        };
        self.set_applied(applied);
        let mut outcomes: Vec<Option<Outcome>> = outcomes.into_iter().map(Some).collect();
        let turn = usize::from(active(Defect::MixUpOutcomes) && proposals.len() > 1);
        let nonces: Vec<u64> =
            proposals.iter().map(|(_, nonce)| *nonce).cycle().skip(turn).take(proposals.len()).collect();
        for ((place, _), nonce) in proposals.into_iter().zip(nonces) {
            if let Some(Outcome::Submit(answer)) = outcomes.get_mut(place).and_then(Option::take) {
                self.shared.waiters.answer(nonce, answer);
            }
        }
        self.forget_passed().await.map_err(io::Error::other)
    }

    /// Writes the chunks of a view into the spool.
    async fn copy(&self, mut source: ChunkSource) -> Result<HeldSpool, io::Error> {
        let spool = self.shared.spool.hold();
        let mut spool = spool.ok_or_else(|| io::Error::other("another snapshot is arriving"))?;
        let copied = blocking(move || {
            while let Some(chunk) = source.next_chunk()? {
                spool.add(&chunk)?;
            }
            Ok(spool)
        });
        copied.await.map_err(io::Error::other)
    }

    /// Deletes what arrived of a snapshot that the log has led beyond.
    async fn forget_passed(&self) -> Result<(), StateMachineError> {
        let spool = &self.shared.spool;
        if !spool.is_passed(self.applied.last) {
            return Ok(());
        }
        // While one arrives, the next time will do.
        let Some(mut spool) = spool.hold() else { return Ok(()) };
        blocking(move || spool.clear()).await
    }

    /// Waits a little if a group failed only because the store is exported, which need not stop a leader.
    async fn wait_while_busy(&self, failed: GroupFailed, pause: &mut Duration) -> Result<(), GroupFailed> {
        if !failed.is_busy {
            return Err(failed);
        }
        tokio::select! {
            biased;
            () = self.shared.stopping.cancelled() => Err(failed),
            () = tokio::time::sleep(*pause) => {
                *pause = (*pause * 2).min(BUSY_LONGEST);
                Ok(())
            }
        }
    }

    async fn send(&self, group: Group<RaftInput>) -> Result<Vec<Outcome>, GroupFailed> {
        self.shared.pinset.carry_out(group).await
    }

    fn set_applied(&mut self, applied: AppliedRow) {
        self.shared.identity.set_founded(applied.cluster);
        self.shared.progress.send_replace(applied.last);
        self.applied = applied;
    }
}

/// Runs what blocks on the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StateMachineError> {
    let done = cluster_runtime::blocking(work).await;
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
            let (mut carried, mut responders) = (Vec::new(), Vec::new());
            let mut next = Some(item);
            while let Some(item) = next {
                let (entry, responder) = item?;
                // Peers that leave out what they cannot read have another pinset from then on.
                group.add(&entry).map_err(io::Error::other)?;
                carried.push(entry);
                responders.extend(responder);
                // What is there already shares the batch; nobody waits for more.
                next = if group.is_full() { None } else { entries.next().now_or_never().flatten() };
            }
            if let Some(last) = group.last().filter(|_| !active(Defect::ApplyBeforeFlush)) {
                self.shared.log.written(last.index).await?;
            }
            self.carry_out(group, &carried).await?;
            responders.into_iter().for_each(|responder| responder.send(CarriedOut));
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder::new(self.shared.store.clone(), self.built.clone())
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, body: SnapshotBody) -> Result<(), io::Error> {
        let SnapshotBody { clock, cluster, chunks } = body;
        let spool = match chunks {
            Chunks::Spooled(spool) => spool,
            Chunks::View(source) => self.copy(source).await?,
        };
        let row = AppliedRow {
            last: meta.last_log_id.as_ref().map(codec::position),
            membership: codec::membership_row(&meta.last_membership),
            clock,
            cluster,
        };
        self.shared.ready.set_whole(false);
        self.begin_installing(&row).await.map_err(io::Error::other)?;
        self.install(row, spool).await.map_err(io::Error::other)?;
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
