//! The suite of the `Consensus` port, for the Merkle-CRDT in each way of packing and for the quorum fake.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_consensus::{
    CrdtConsensus,
    conformance::{CASES, Harness, run_all, run_one},
    crdt::{CrdtBackend, CrdtInput, CrdtOutput, Packing},
    quorum_fake::QuorumFake,
};
use cluster_core::{
    PeerId, Pin, PinKey, ReplicationFactors,
    pinset::{TrackerSignal, Writer, WriterConfig, check, mutation::LaneRule, read},
    ports::{
        BoxFuture, Consensus, Datastore, PeerSet,
        consensus::{AppliedOn, Etag, Operation, OperationKind, SubmitError},
    },
    trust::{Trust, TrustSet},
};
use cluster_datastore::{FailMode, MemoryStore};
use cluster_runtime::{Effects, Pinset, WorkerThread, start_pinset};
use std::{sync::Arc, time::Duration};

fn config(local: PeerId, applied_on: AppliedOn) -> WriterConfig {
    WriterConfig {
        local,
        replication: ReplicationFactors::EVERYWHERE,
        lanes: LaneRule { max_age: Duration::from_secs(86_400), max_retries: 5 },
        applied_on,
    }
}

struct NoEffects;

impl Effects<CrdtOutput> for NoEffects {
    fn committed(&self, _: Vec<CrdtOutput>) {}

    fn tracked(&self, _: Vec<TrackerSignal>) {}
    fn recovered(&self) {}
}

/// The Merkle-CRDT behind the writer's real thread.
struct Crdt {
    local: PeerId,
    packing: Packing,
    store: MemoryStore,
    running: Option<(Pinset<CrdtInput>, WorkerThread)>,
}

impl Crdt {
    fn new(packing: Packing) -> Self {
        let mut crdt = Self { local: PeerId::random(), packing, store: MemoryStore::new(), running: None };
        crdt.start();
        crdt
    }

    fn start(&mut self) {
        let writer = Writer::open(
            Arc::new(self.store.clone()),
            CrdtBackend::new(self.packing),
            config(self.local, AppliedOn::Local),
        );
        self.running = Some(start_pinset(writer.unwrap(), Arc::new(NoEffects)).unwrap());
    }

    fn assert_consistent(&self) {
        for report in [
            check::check(&self.store, &self.local).unwrap(),
            cluster_consensus::crdt::check::check(&self.store).unwrap(),
        ] {
            assert_eq!(report.total_mismatches(), 0, "{report}");
        }
    }
}

impl Drop for Crdt {
    fn drop(&mut self) {
        if let Some((pinset, thread)) = self.running.take() {
            drop(pinset);
            assert!(thread.join());
            self.assert_consistent();
        }
    }
}

impl Harness for Crdt {
    fn consensus(&self) -> Arc<dyn Consensus> {
        let (pinset, _) = self.running.as_ref().unwrap();
        Arc::new(CrdtConsensus::new(
            Arc::new(TrustSet::fixed(self.local, Trust::Everyone)),
            Arc::new(Alone(self.local)),
            pinset.clone(),
            Arc::new(self.store.clone()),
        ))
    }

    fn read(&self, key: &PinKey) -> Option<(Pin, Etag)> {
        read::pin(&*self.store.snapshot().unwrap(), key).unwrap()
    }

    fn power_cut(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let left = self.store.power_cut();
            let (pinset, thread) = self.running.take().unwrap();
            drop(pinset);
            assert!(thread.join());
            self.store = left;
            self.start();
        })
    }

    fn break_next(&mut self, survives: bool) {
        self.store.fail_next_commit(FailMode::Unknown { survives });
    }

    fn healed(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // The removal of a pin that never was changes nothing; it is refused by the rules once writes work.
            let probe = PinKey::from_bytes(&[1, 0x55, 0, 1, 255]).unwrap();
            let consensus = self.consensus();
            let working = async {
                loop {
                    let answer = consensus.submit(Operation::new(OperationKind::Unpin(probe.clone()))).await;
                    if matches!(answer, Err(SubmitError::Rejected(_))) {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(30), working).await.expect("the store never recovers");
        })
    }
}

/// Three replicas that need a quorum.
struct Quorum {
    stores: Vec<(PeerId, MemoryStore)>,
    fake: Arc<QuorumFake>,
}

impl Quorum {
    fn new() -> Self {
        let stores: Vec<_> = (0..3).map(|_| (PeerId::random(), MemoryStore::new())).collect();
        let fake = Self::open(&stores);
        Self { stores, fake }
    }

    fn open(stores: &[(PeerId, MemoryStore)]) -> Arc<QuorumFake> {
        let replicas = stores.iter().map(|(peer, store)| {
            (Arc::new(store.clone()) as Arc<dyn Datastore>, config(*peer, AppliedOn::Quorum))
        });
        Arc::new(QuorumFake::open(replicas.collect()).unwrap())
    }
}

impl Harness for Quorum {
    fn consensus(&self) -> Arc<dyn Consensus> {
        self.fake.clone()
    }

    fn read(&self, key: &PinKey) -> Option<(Pin, Etag)> {
        let all: Vec<_> = (0..3).map(|replica| self.fake.read(replica, key).unwrap()).collect();
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "the replicas differ");
        all.into_iter().next().unwrap()
    }

    fn power_cut(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.stores.iter_mut().for_each(|(_, store)| *store = store.power_cut());
            self.fake = Self::open(&self.stores);
        })
    }

    fn break_next(&mut self, survives: bool) {
        self.fake.break_next(survives);
    }

    fn healed(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

#[tokio::test]
async fn the_merkle_crdt_keeps_every_case() {
    run_all(|| Crdt::new(Packing::Immediate)).await.unwrap();
}

#[tokio::test]
async fn the_merkle_crdt_keeps_every_case_while_it_defers_deltas() {
    run_all(|| Crdt::new(Packing::Deferred)).await.unwrap();
}

#[tokio::test]
async fn the_quorum_fake_keeps_every_case() {
    run_all(Quorum::new).await.unwrap();
}

#[tokio::test]
async fn the_fake_needs_a_quorum_and_brings_up_who_was_cut_off() {
    let quorum = Quorum::new();
    let pin = |number: u8| {
        let pin = Pin::new(PinKey::from_bytes(&[1, 0x55, 0, 1, number]).unwrap().cid());
        Operation::new(OperationKind::Pin(Box::new(pin)))
    };
    let key = PinKey::from_bytes(&[1, 0x55, 0, 1, 1]).unwrap();
    quorum.fake.cut_off(1);
    let applied = quorum.fake.submit(pin(1)).await.unwrap();
    assert_eq!(applied.durability, AppliedOn::Quorum);
    assert!(quorum.fake.read(1, &key).unwrap().is_none());
    quorum.fake.cut_off(2);
    let answer = quorum.fake.submit(pin(2)).await;
    assert!(matches!(answer, Err(SubmitError::Unknown { .. })), "{answer:?}");
    quorum.fake.reconnect(1).unwrap();
    quorum.fake.submit(pin(3)).await.unwrap();
    quorum.fake.reconnect(2).unwrap();
    assert!(quorum.read(&key).is_some());
    // A disk that fails half-way takes its replica out, not the quorum.
    quorum.stores[2].1.fail_next_commit(FailMode::Unknown { survives: true });
    quorum.fake.submit(pin(4)).await.unwrap();
    quorum.fake.reconnect(2).unwrap();
    assert!(quorum.read(&PinKey::from_bytes(&[1, 0x55, 0, 1, 4]).unwrap()).is_some());
}

/// The suite sees what it claims to see.
#[tokio::test]
async fn a_backend_that_forgets_is_caught() {
    /// Answers before anything is written.
    struct Liar(Quorum);

    impl Harness for Liar {
        fn consensus(&self) -> Arc<dyn Consensus> {
            self.0.consensus()
        }
        fn read(&self, key: &PinKey) -> Option<(Pin, Etag)> {
            self.0.read(key)
        }
        fn power_cut(&mut self) -> BoxFuture<'_, ()> {
            self.0.stores.iter_mut().for_each(|(_, store)| *store = MemoryStore::new());
            self.0.power_cut()
        }
        fn break_next(&mut self, survives: bool) {
            self.0.break_next(!survives);
        }
        fn healed(&mut self) -> BoxFuture<'_, ()> {
            self.0.healed()
        }
    }
    let mut make = || Liar(Quorum::new());
    let mut broken = Vec::new();
    for case in CASES {
        broken.extend(run_one(&mut make, case).await.err().map(|violation| violation.case));
    }
    assert_eq!(
        broken,
        [
            "what was acknowledged survives a power cut",
            "a request id is remembered across a power cut",
            "after an unknown outcome a repetition applies once",
            "a read after a barrier sees what was acknowledged, where there are barriers",
        ]
    );
}

/// A cluster of one.
struct Alone(PeerId);

impl PeerSet for Alone {
    fn members(&self) -> Vec<PeerId> {
        vec![self.0]
    }
}
