//! One peer's stores, without a Raft.

use super::super::{
    Identity, LogPosition, MachineParts, Proposal, ProposalBytes, RaftBackend, RaftInput, RaftLogStore,
    RaftStateMachine, Readiness, StateMachineError, Waiters, codec::log_id, type_config::Entry,
};
use cluster_core::{
    PeerId, Pin, PinKey, ReplicationFactors, UnixMillis,
    pinset::{Ordered, TrackerSignal, Writer, WriterConfig, check, mutation::LaneRule},
    ports::{
        consensus::{AppliedOn, Operation, OperationKind, RequestId},
        datastore::{Cursor, Datastore, Row, Tree},
    },
};
use cluster_runtime::{Effects, Pinset, WorkerThread, start_pinset};
use openraft::{EntryPayload, storage::RaftStateMachine as _};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

struct NoEffects;

impl Effects<Infallible> for NoEffects {
    fn committed(&self, _: Vec<Infallible>) {}
    fn tracked(&self, _: Vec<TrackerSignal>) {}
    fn recovered(&self) {}
}

/// What Raft stores on one peer, running.
pub(super) struct Peer {
    pub(super) local: PeerId,
    pub(super) store: Arc<dyn Datastore>,
    pub(super) waiters: Arc<Waiters>,
    pub(super) log: RaftLogStore,
    pub(super) machine: RaftStateMachine,
    threads: Vec<WorkerThread>,
}

pub(super) fn config(local: PeerId) -> WriterConfig {
    WriterConfig {
        local,
        replication: ReplicationFactors::EVERYWHERE,
        lanes: LaneRule { max_age: Duration::from_secs(86_400), max_retries: 5 },
        applied_on: AppliedOn::Quorum,
    }
}

pub(super) fn start_writer(
    store: &Arc<dyn Datastore>,
    config: WriterConfig,
) -> (Pinset<RaftInput>, WorkerThread) {
    let writer = Writer::open(store.clone(), RaftBackend::default(), config).unwrap();
    start_pinset(writer, Arc::new(NoEffects)).unwrap()
}

impl Peer {
    pub(super) async fn open(store: Arc<dyn Datastore>) -> Self {
        Self::open_as(store, config(PeerId::random())).await.unwrap()
    }

    pub(super) async fn open_as(
        store: Arc<dyn Datastore>,
        config: WriterConfig,
    ) -> Result<Self, StateMachineError> {
        let local = config.local;
        let (pinset, writer) = start_writer(&store, config);
        let (log, log_thread) = RaftLogStore::open(store.clone()).unwrap();
        let waiters = Arc::new(Waiters::default());
        let parts = MachineParts {
            ready: Readiness::default(),
            store: store.clone(),
            pinset,
            log: log.clone(),
            waiters: waiters.clone(),
            identity: Identity::default(),
            stopping: CancellationToken::new(),
        };
        let machine = RaftStateMachine::open(parts).await?;
        Ok(Self { local, store, waiters, log, machine, threads: vec![writer, log_thread] })
    }

    /// Stops orderly.
    pub(super) async fn stop(self) {
        let Self { log, machine, threads, .. } = self;
        drop((log, machine));
        let join = || threads.into_iter().all(WorkerThread::join);
        assert!(tokio::task::spawn_blocking(join).await.unwrap());
    }

    /// The stores, and what keeps them alive.
    pub(super) fn into_parts(self) -> (RaftLogStore, RaftStateMachine) {
        (self.log, self.machine)
    }

    pub(super) async fn apply(&mut self, entries: &[Entry]) -> std::io::Result<()> {
        let entries: Vec<_> = entries.iter().map(|entry| Ok((entry.clone(), None))).collect();
        self.machine.apply(futures_util::stream::iter(entries)).await
    }

    pub(super) fn assert_consistent(&self) {
        let report = check::check(&*self.store, &self.local).unwrap();
        assert_eq!(report.total_mismatches(), 0, "{report}");
    }
}

/// What every peer has alike.
pub(super) fn replicated(store: &dyn Datastore) -> Vec<Vec<Row>> {
    [Tree::Pins, Tree::Requests].map(|tree| rows(store, tree)).to_vec()
}

pub(super) fn rows(store: &dyn Datastore, tree: Tree) -> Vec<Row> {
    let mut cursor = Cursor::all(tree);
    let mut all = Vec::new();
    while !cursor.is_done() {
        all.extend(cursor.next_page(store, 1024).unwrap());
    }
    all
}

pub(super) fn at(index: u64) -> LogPosition {
    LogPosition { term: 1, index }
}

pub(super) fn pin(number: u16, name: &str) -> Pin {
    let [high, low] = number.to_be_bytes();
    let mut pin = Pin::new(PinKey::from_bytes(&[1, 0x55, 0, 2, high, low]).unwrap().cid());
    pin.options.name = name.to_owned();
    pin
}

pub(super) fn add(number: u16, name: &str) -> Operation {
    Operation::new(OperationKind::Pin(Box::new(pin(number, name))))
}

pub(super) fn remove(number: u16) -> Operation {
    Operation::new(OperationKind::Unpin(pin(number, "").key()))
}

pub(super) fn with_id(operation: Operation, id: &str) -> Operation {
    Operation { request_id: RequestId::new(id), ..operation }
}

/// Makes an entry that proposes a change; its nonce is its index.
pub(super) fn proposed(position: LogPosition, operation: Operation, at: UnixMillis) -> Entry {
    let ordered = Ordered { operation, replication: ReplicationFactors::EVERYWHERE };
    let bytes = Proposal { ordered, at, nonce: position.index }.encode().unwrap();
    Entry { log_id: log_id(position), payload: EntryPayload::Normal(ProposalBytes(bytes.into())) }
}
