//! The tracker's worker with the writer's real thread, over a store that cannot always be read.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_core::{
    Cid, Multiaddr, PeerId, Pin, PinDepth, PinKey, ReplicationFactors,
    pinset::{
        NoBackend, TrackedState, TrackerSignal, Writer, WriterConfig,
        counters::{Counter, Counters},
        mutation::LaneRule,
    },
    ports::{
        BoxFuture, BoxStream, Datastore, IpfsConnector,
        consensus::{AppliedOn, Operation, OperationKind},
        datastore::{Batch, Durability, Row, Snapshot, StoreError, Tree},
        ipfs_connector::{
            ContentBlock, GcItem, IpfsError, IpfsId, IpfsPin, IpfsPinStatus, PinRequest, ProgressSink,
            RepoStat,
        },
    },
    tracker::{InFlight, TrackerConfig},
};
use cluster_datastore::MemoryStore;
use cluster_peer::{Informers, TrackerParts, TrackerWorker};
use cluster_runtime::{Effects, FeedSender, WorkerThread, feed, start_pinset};
use std::{
    convert::Infallible,
    ops::Bound,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// What a reader of the store meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Trouble {
    None,
    /// There are no snapshots.
    Snapshots,
    /// There are, but nothing can be read of them.
    Reads,
}

#[derive(Default)]
struct Switch {
    trouble: AtomicU8,
    refused: AtomicU64,
}

impl Switch {
    fn set(&self, trouble: Trouble) {
        self.trouble.store(trouble as u8, Ordering::SeqCst);
    }

    fn check(&self, what: Trouble) -> Result<(), StoreError> {
        if self.trouble.load(Ordering::SeqCst) == what as u8 {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(StoreError::ReadOnly { path: PathBuf::new(), cause: "on purpose".to_owned() });
        }
        Ok(())
    }

    fn refused(&self) -> u64 {
        self.refused.load(Ordering::SeqCst)
    }
}

struct Flaky {
    store: Arc<MemoryStore>,
    switch: Arc<Switch>,
}

struct FlakySnapshot {
    snapshot: Box<dyn Snapshot>,
    switch: Arc<Switch>,
}

impl Snapshot for FlakySnapshot {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.switch.check(Trouble::Reads)?;
        self.snapshot.get(tree, key)
    }

    fn page(
        &self,
        tree: Tree,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.switch.check(Trouble::Reads)?;
        self.snapshot.page(tree, from, to, limit)
    }

    fn page_back(
        &self,
        tree: Tree,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.switch.check(Trouble::Reads)?;
        self.snapshot.page_back(tree, from, to, limit)
    }
}

impl Datastore for Flaky {
    fn engine(&self) -> &'static str {
        self.store.engine()
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.switch.check(Trouble::Snapshots)?;
        Ok(Box::new(FlakySnapshot { snapshot: self.store.snapshot()?, switch: self.switch.clone() }))
    }

    fn long_snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.snapshot()
    }

    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        self.store.commit(batch, durability)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.store.sync()
    }

    fn recover(&self) -> Result<(), StoreError> {
        self.store.recover()
    }

    fn disk_usage(&self) -> Result<u64, StoreError> {
        self.store.disk_usage()
    }

    fn is_compacting(&self) -> bool {
        self.store.is_compacting()
    }

    fn tidy(&self) -> Result<(), StoreError> {
        self.store.tidy()
    }

    fn close(&self) -> Result<(), StoreError> {
        self.store.close()
    }
}

/// A daemon that pins when it is let, and does nothing else.
struct Gate(Arc<Semaphore>);

impl IpfsConnector for Gate {
    fn swarm_connect(&self, _: Multiaddr) -> BoxFuture<'_, Result<(), IpfsError>> {
        unreachable!()
    }

    fn swarm_peers(&self) -> BoxFuture<'_, Result<Vec<PeerId>, IpfsError>> {
        unreachable!()
    }

    fn put_blocks(&self, _: BoxStream<'static, ContentBlock>) -> BoxFuture<'_, Result<(), IpfsError>> {
        unreachable!()
    }

    fn collect_garbage(&self) -> BoxStream<'_, Result<GcItem, IpfsError>> {
        unreachable!()
    }

    fn pin(&self, _: PinRequest, _: ProgressSink) -> BoxFuture<'_, Result<(), IpfsError>> {
        Box::pin(async {
            self.0.acquire().await.unwrap().forget();
            Ok(())
        })
    }

    fn id(&self) -> BoxFuture<'_, Result<IpfsId, IpfsError>> {
        out_of_order("id")
    }

    fn unpin(&self, _: Cid) -> BoxFuture<'_, Result<(), IpfsError>> {
        out_of_order("pin/rm")
    }

    fn pin_status(&self, _: Cid, _: PinDepth) -> BoxFuture<'_, Result<IpfsPinStatus, IpfsError>> {
        out_of_order("pin/ls")
    }

    fn pin_ls(&self, _: IpfsPinStatus) -> BoxStream<'_, Result<IpfsPin, IpfsError>> {
        Box::pin(tokio_stream::once(Err(refusal("pin/ls"))))
    }

    fn resolve(&self, _: String) -> BoxFuture<'_, Result<Cid, IpfsError>> {
        out_of_order("resolve")
    }

    fn repo_stat(&self) -> BoxFuture<'_, Result<RepoStat, IpfsError>> {
        out_of_order("repo/stat")
    }

    fn config_value(&self, _: String) -> BoxFuture<'_, Result<Option<String>, IpfsError>> {
        out_of_order("config")
    }
}

fn refusal(path: &str) -> IpfsError {
    IpfsError::Unreachable {
        node: "nowhere".to_owned(),
        path: path.to_owned(),
        cause: "on purpose".to_owned(),
    }
}

fn out_of_order<T>(path: &str) -> BoxFuture<'static, Result<T, IpfsError>> {
    let refusal = refusal(path);
    Box::pin(async { Err(refusal) })
}

struct ToTracker(FeedSender<Vec<TrackerSignal>>);

impl Effects<Infallible> for ToTracker {
    fn committed(&self, _: Vec<Infallible>) {}

    fn tracked(&self, signals: Vec<TrackerSignal>) {
        self.0.push(signals);
    }

    fn recovered(&self) {
        self.0.lose();
    }
}

fn pinned(store: &MemoryStore) -> u64 {
    Counters::read(&*store.snapshot().unwrap(), Counter::State(TrackedState::Pinned)).unwrap()
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "never {what}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn requests_that_end_while_the_store_cannot_be_read_are_not_forgotten() {
    let store = Arc::new(MemoryStore::new());
    let switch = Arc::new(Switch::default());
    let config = WriterConfig {
        local: PeerId::random(),
        replication: ReplicationFactors::EVERYWHERE,
        lanes: LaneRule { max_age: Duration::from_secs(86_400), max_retries: 5 },
        applied_on: AppliedOn::Local,
    };
    let writer = Writer::open(store.clone(), NoBackend, config).unwrap();
    let (sender, commits) = feed();
    let (pinset, writer) = start_pinset(writer, Arc::new(ToTracker(sender))).unwrap();
    let (gate, stop) = (Arc::new(Semaphore::new(0)), CancellationToken::new());
    let parts = TrackerParts {
        store: Arc::new(Flaky { store: store.clone(), switch: switch.clone() }),
        ipfs: Arc::new(Gate(gate.clone())),
        port: Arc::new(pinset.clone()),
        in_flight: InFlight::default(),
        informers: Informers::new(0),
    };
    let in_flight = parts.in_flight.clone();
    let limits = TrackerConfig { concurrent_pins: 3, ..TrackerConfig::default() };
    let tracker = TrackerWorker::start(limits, parts, commits, stop.clone()).unwrap();

    for number in 0..12 {
        let key = PinKey::from_bytes(&[1, 0x55, 0, 1, number]).unwrap();
        pinset.submit(Operation::new(OperationKind::Pin(Box::new(Pin::new(key.cid()))))).await.unwrap();
    }
    until("three run", || in_flight.all().len() == 3).await;
    for (kind, done) in [(Trouble::Snapshots, 3), (Trouble::Reads, 6)] {
        switch.set(kind);
        gate.add_permits(3);
        until("the three end", || gate.available_permits() == 0).await;
        // More than once, so that the worker has gone on to its next try.
        let refused = switch.refused();
        until("the worker tries again", || switch.refused() > refused + 1).await;
        switch.set(Trouble::None);
        until("three more run", || pinned(&store) == done && in_flight.all().len() == 3).await;
    }
    gate.add_permits(100);
    until("all are pinned", || pinned(&store) == 12).await;
    until("nothing runs", || in_flight.all().is_empty()).await;
    stop.cancel();
    drop(pinset);
    assert!([tracker, writer].into_iter().all(WorkerThread::join));
}
