//! A store that cannot be written beside an export: changes are refused, nothing breaks, and they go on afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_consensus::{
    CrdtConsensus,
    crdt::{CrdtBackend, CrdtOutput, Packing},
};
use cluster_core::{
    ErrorKind, PeerId, Pin, PinKey, ReplicationFactors,
    pinset::{TrackerSignal, Writer, WriterConfig, mutation::LaneRule, read},
    ports::{
        Consensus, Datastore, PeerSet,
        consensus::{AppliedOn, Operation, OperationKind},
    },
    trust::{Trust, TrustSet},
};
use cluster_datastore::SledStore;
use cluster_runtime::{Effects, start_pinset};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

#[derive(Default)]
struct Recoveries(AtomicUsize);

impl Effects<CrdtOutput> for Recoveries {
    fn committed(&self, _: Vec<CrdtOutput>) {}
    fn tracked(&self, _: Vec<TrackerSignal>) {}
    fn recovered(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Alone(PeerId);

impl PeerSet for Alone {
    fn members(&self) -> Vec<PeerId> {
        vec![self.0]
    }
}

fn key(number: u8) -> PinKey {
    PinKey::from_bytes(&[1, 0x55, 0, 1, number]).unwrap()
}

fn pin(number: u8) -> Operation {
    Operation::new(OperationKind::Pin(Box::new(Pin::new(key(number).cid()))))
}

#[tokio::test]
async fn changes_are_refused_while_the_store_is_exported_and_go_on_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Datastore> = Arc::new(SledStore::open(folder.path(), 16 * 1024 * 1024).unwrap());
    let local = PeerId::random();
    let config = WriterConfig {
        local,
        replication: ReplicationFactors::EVERYWHERE,
        lanes: LaneRule { max_age: Duration::from_secs(86_400), max_retries: 5 },
        applied_on: AppliedOn::Local,
    };
    let writer = Writer::open(store.clone(), CrdtBackend::new(Packing::Immediate), config).unwrap();
    let effects = Arc::new(Recoveries::default());
    let (pinset, thread) = start_pinset(writer, effects.clone()).unwrap();
    let trust = Arc::new(TrustSet::fixed(local, Trust::Everyone));
    let consensus = CrdtConsensus::new(trust, Arc::new(Alone(local)), pinset.clone(), store.clone());
    consensus.submit(pin(1)).await.unwrap();

    let export = store.long_snapshot().unwrap();
    for number in 2..5 {
        let refused = consensus.submit(pin(number)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Busy, "{refused}");
        assert!(refused.to_string().contains("exported"), "{refused}");
        // Longer than the first pause of a recovery.
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    assert_eq!(effects.0.load(Ordering::SeqCst), 0, "nothing recovers before the export ends");
    assert!(read::pin(&*export, &key(1)).unwrap().is_some());
    assert!(read::pin(&*export, &key(2)).unwrap().is_none());
    drop(export);

    let taken = async {
        while consensus.submit(pin(5)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), taken).await.expect("changes go on");
    let shown = store.snapshot().unwrap();
    assert!((2..5).all(|number| read::pin(&*shown, &key(number)).unwrap().is_none()));
    assert!(read::pin(&*shown, &key(5)).unwrap().is_some());
    drop((consensus, pinset));
    assert!(thread.join());
}
