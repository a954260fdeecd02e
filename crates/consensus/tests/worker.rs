//! The machine of the Merkle-CRDT with its worker, behind the writer's real thread: when what waits becomes a delta.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_consensus::{
    CrdtConsensus, CrdtInbox, CrdtParts, CrdtWorker,
    crdt::{Batching, Block, BlockId, CrdtBackend, CrdtEngine, CrdtOutput, EngineConfig},
};
use cluster_core::{
    Cid, PeerId, Pin, PinKey, ReplicationFactors,
    pinset::{TrackerSignal, Writer, WriterConfig, mutation::LaneRule, read},
    ports::{
        Blocks, BoxFuture, Consensus, Datastore, PeerCalls, PeerSet, Rpc,
        consensus::{AppliedOn, Operation, OperationKind},
        datastore::{Cursor, Tree},
        swarm::FetchError,
    },
    trust::{Trust, TrustSet},
};
use cluster_datastore::MemoryStore;
use cluster_runtime::{Effects, FeedSender, WorkerThread, feed, start_pinset};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

const LONG: Duration = Duration::from_secs(3600);

struct ToWorker(FeedSender<Vec<CrdtOutput>>);

impl Effects<CrdtOutput> for ToWorker {
    fn tracked(&self, _: Vec<TrackerSignal>) {}

    fn committed(&self, outputs: Vec<CrdtOutput>) {
        self.0.push(outputs);
    }

    fn recovered(&self) {
        self.0.lose();
    }
}

/// A network without anybody.
struct Nobody;

impl Blocks for Nobody {
    fn fetch(
        &self,
        _: Cid,
        _: Option<PeerId>,
        after: Duration,
    ) -> BoxFuture<'_, Result<Vec<u8>, FetchError>> {
        Box::pin(async move { Err(FetchError::NotServed { after }) })
    }

    fn announce(&self, _: Cid) {}

    fn offer(&self, _: Cid) {}
}

impl Rpc for Nobody {
    fn peer(&self, _: PeerId) -> Arc<dyn PeerCalls> {
        unreachable!("no peer of ours was met")
    }
}

struct Running {
    store: Arc<MemoryStore>,
    consensus: CrdtConsensus,
    stop: CancellationToken,
    threads: [WorkerThread; 2],
}

fn start(store: Arc<MemoryStore>, batching: Option<Batching>) -> Running {
    let local = PeerId::random();
    let engine = CrdtEngine::new(EngineConfig { batching, ..EngineConfig::default() });
    let config = WriterConfig {
        local,
        replication: ReplicationFactors::EVERYWHERE,
        lanes: LaneRule { max_age: LONG, max_retries: 5 },
        applied_on: AppliedOn::Local,
    };
    let writer = Writer::open(store.clone(), CrdtBackend::new(engine.packing()), config).unwrap();
    let (sender, commits) = feed();
    let (pinset, writer) = start_pinset(writer, Arc::new(ToWorker(sender))).unwrap();
    let stop = CancellationToken::new();
    let (_, messages) = CrdtInbox::new(store.clone(), Arc::new(|_| true), "test".into());
    let nobody = Arc::new(Nobody);
    let parts = CrdtParts {
        pinset: pinset.clone(),
        store: store.clone(),
        blocks: nobody.clone(),
        gossip: None,
        rpc: nobody,
        local,
    };
    let worker = CrdtWorker::start(engine, parts, commits, messages, stop.clone()).unwrap();
    let consensus = CrdtConsensus::new(
        Arc::new(TrustSet::fixed(local, Trust::Everyone)),
        Arc::new(Alone(local)),
        pinset,
        store.clone(),
    );
    Running { store, consensus, stop, threads: [worker, writer] }
}

impl Running {
    async fn pin(&self, number: u8) {
        let key = PinKey::from_bytes(&[1, 0x55, 0, 1, number]).unwrap();
        let pin = Operation::new(OperationKind::Pin(Box::new(Pin::new(key.cid()))));
        self.consensus.submit(pin).await.unwrap();
        let shown = read::pin(&*self.store.snapshot().unwrap(), &key).unwrap();
        assert!(shown.is_some(), "an acknowledged pin is visible at once");
    }

    /// How many pins each block of ours adds, by priority.
    fn deltas(&self) -> Vec<usize> {
        let rows = Cursor::all(Tree::Blocks).next_page(&*self.store, 100).unwrap();
        let mut blocks: Vec<Block> = rows.iter().map(|(_, bytes)| Block::decode(bytes).unwrap()).collect();
        assert!(rows.iter().all(|(key, bytes)| BlockId::from_slice(key) == Some(BlockId::of(bytes))));
        blocks.sort_by_key(|block| block.delta.priority);
        blocks.iter().map(|block| block.delta.elements.len()).collect()
    }

    async fn until_deltas(&self, wanted: &[usize]) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.deltas() != wanted {
            assert!(Instant::now() < deadline, "{:?} and not {wanted:?}", self.deltas());
            tokio::task::yield_now().await;
        }
    }

    /// Stops in the order of the daemon.
    fn stop(self) -> Arc<MemoryStore> {
        let Self { store, consensus, stop, threads } = self;
        stop.cancel();
        drop(consensus);
        assert!(threads.into_iter().all(WorkerThread::join));
        store
    }
}

#[tokio::test]
async fn without_batching_every_batch_has_its_delta() {
    let running = start(Arc::new(MemoryStore::new()), None);
    running.pin(1).await;
    assert_eq!(running.deltas(), [1]);
    running.pin(2).await;
    assert_eq!(running.deltas(), [1, 1]);
    running.stop();
}

#[tokio::test]
async fn batching_waits_for_its_number() {
    let running = start(Arc::new(MemoryStore::new()), Batching::new(3, LONG));
    running.pin(1).await;
    running.pin(2).await;
    assert_eq!(running.deltas(), []);
    running.pin(3).await;
    running.until_deltas(&[3]).await;
    running.stop();
}

#[tokio::test]
async fn batching_waits_for_its_time_also_for_what_an_earlier_process_left() {
    let running = start(Arc::new(MemoryStore::new()), Batching::new(1000, LONG));
    running.pin(1).await;
    let left = Arc::new(running.store.power_cut());
    running.stop();
    let running = start(left, Batching::new(1000, Duration::from_millis(50)));
    running.until_deltas(&[1]).await;
    running.pin(2).await;
    running.until_deltas(&[1, 1]).await;
    running.stop();
}

#[tokio::test]
async fn an_orderly_stop_packs_what_waits() {
    let running = start(Arc::new(MemoryStore::new()), Batching::new(1000, LONG));
    running.pin(1).await;
    running.pin(2).await;
    let store = running.stop();
    let blocks = Cursor::all(Tree::Blocks).next_page(&*store, 100).unwrap();
    assert_eq!(blocks.len(), 1);
    assert!(Cursor::all(Tree::Pending).next_page(&*store, 100).unwrap().is_empty());
}

/// A cluster of one.
struct Alone(PeerId);

impl PeerSet for Alone {
    fn members(&self) -> Vec<PeerId> {
        vec![self.0]
    }
}
