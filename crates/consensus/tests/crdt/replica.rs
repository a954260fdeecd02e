//! One replica: writer, books and store.

use cluster_consensus::crdt::{BlockId, CrdtBackend, CrdtInput, CrdtOutput, Packing, check, rows::MergedRow};
use cluster_core::{
    Cid, PeerId, Pin, PinKey, ReplicationFactors, UnixMillis,
    pinset::{self, Committed, Input, Outcome, Writer, WriterConfig, mutation::LaneRule, read},
    ports::{
        Datastore,
        consensus::{Applied, AppliedOn, Operation, OperationKind, SubmitError},
        datastore::{Batch, Cursor, Durability, Row, Tree},
    },
};
use cluster_datastore::MemoryStore;
use std::{sync::Arc, time::Duration};

pub(crate) const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

pub(crate) fn cid(n: u8) -> Cid {
    PinKey::from_bytes(&[1, 0x55, 0, 1, n]).unwrap().cid()
}

pub(crate) struct Replica {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) writer: Writer<CrdtBackend>,
    pub(crate) local: PeerId,
    pub(crate) now: UnixMillis,
}

impl Replica {
    pub(crate) fn new(packing: Packing) -> Self {
        Self::open(Arc::new(MemoryStore::new()), packing)
    }

    pub(crate) fn open(store: Arc<MemoryStore>, packing: Packing) -> Self {
        let local = "12D3KooWEzimCSQfZVrDWeSuz9ybdt3L8G4ioYfsXeRRhN3cwsQW".parse().unwrap();
        let config = WriterConfig {
            local,
            replication: ReplicationFactors::EVERYWHERE,
            lanes: LaneRule { max_age: Duration::from_secs(86_400), max_retries: 5 },
            applied_on: AppliedOn::Local,
        };
        let writer = Writer::open(store.clone(), CrdtBackend::new(packing), config).unwrap();
        Self { store, writer, local, now: NOW }
    }

    pub(crate) fn commit(&mut self) -> Committed<CrdtOutput> {
        self.writer.commit(self.now).unwrap()
    }

    pub(crate) fn tell(&mut self, input: CrdtInput) -> Vec<CrdtOutput> {
        self.writer.stage(Input::Backend(input), self.now);
        self.commit().outputs
    }

    pub(crate) fn submit(&mut self, kind: OperationKind) -> (Result<Applied, SubmitError>, Vec<CrdtOutput>) {
        self.writer.stage(Input::Submit(Box::new(Operation::new(kind))), self.now);
        let mut committed = self.commit();
        let Outcome::Submit(result) = committed.outcomes.remove(0).1 else { panic!() };
        (result, committed.outputs)
    }

    pub(crate) fn pin(&mut self, cid: &Cid, name: &str) -> Vec<CrdtOutput> {
        let mut pin = Pin::new(*cid);
        pin.options.name = name.to_owned();
        let (result, outputs) = self.submit(OperationKind::Pin(Box::new(pin)));
        result.unwrap();
        outputs
    }

    pub(crate) fn unpin(&mut self, cid: &Cid) -> Vec<CrdtOutput> {
        let (result, outputs) = self.submit(OperationKind::Unpin(PinKey::from_cid(cid)));
        result.unwrap();
        outputs
    }

    pub(crate) fn merge(&mut self, bytes: &[u8]) -> Vec<CrdtOutput> {
        self.tell(CrdtInput::Block { id: BlockId::of(bytes), bytes: bytes.to_vec() })
    }

    pub(crate) fn name(&self, cid: &Cid) -> Option<String> {
        let snapshot = self.store.snapshot().unwrap();
        let pin = read::pin(&*snapshot, &PinKey::from_cid(cid)).unwrap();
        pin.map(|(pin, _)| pin.options.name)
    }

    pub(crate) fn rows(&self, tree: Tree) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut cursor = Cursor::all(tree);
        while !cursor.is_done() {
            rows.extend(cursor.next_page(&*self.store, 1000).unwrap());
        }
        rows
    }

    pub(crate) fn block(&self, id: &BlockId) -> Vec<u8> {
        self.store.snapshot().unwrap().get(Tree::Blocks, &id.0).unwrap().unwrap()
    }

    /// Pretends that blocks were merged whose bytes are not at hand.
    pub(crate) fn pretend_merged(&mut self, ids: &[BlockId]) {
        let mut batch = Batch::new();
        for id in ids {
            batch.put(Tree::Merged, id.0, MergedRow { priority: 1, walk: 0 }.encode());
        }
        self.store.commit(batch, Durability::Flushed).unwrap();
        self.writer.reload().unwrap();
    }

    /// Everything that the two recounts find.
    pub(crate) fn mismatches(&self) -> Vec<String> {
        let mut all = pinset::check::check(&*self.store, &self.local).unwrap().mismatches;
        all.extend(check::check(&*self.store).unwrap().mismatches);
        all
    }
}

pub(crate) fn announced(outputs: &[CrdtOutput]) -> BlockId {
    let mut ids =
        outputs.iter().filter_map(|o| if let CrdtOutput::Announce(id) = o { Some(*id) } else { None });
    let id = ids.next().expect("nothing announced");
    assert_eq!(ids.next(), None);
    id
}
