//! The writer on its own: rules, derived rows, answers, failures.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_core::{
    Cid, PeerId, Pin, PinDepth, PinKey, PinOptions, ReplicationFactors, UnixMillis, UnixSeconds,
    pinset::{
        Input, NoBackend, Ordered, Outcome, TrackedState, TrackerInput, TrackerOutcome, Writer, WriterConfig,
        counters::{Counter, Counters},
        format,
        mutation::{LaneRule, peer_prefix},
        read,
    },
    ports::{
        consensus::{
            Applied, AppliedOn, Operation, OperationKind, Precondition, Rejection, RequestId, SubmitError,
        },
        datastore::{Batch, Datastore, Durability, StoreError, Tree},
    },
};
use cluster_datastore::{FailMode, MemoryStore};
use std::{sync::Arc, time::Duration};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

struct Fixture {
    store: Arc<MemoryStore>,
    writer: Writer<NoBackend>,
    local: PeerId,
}

fn open(store: Arc<MemoryStore>, local: PeerId) -> Writer<NoBackend> {
    let config = WriterConfig {
        local,
        replication: ReplicationFactors::EVERYWHERE,
        lanes: LaneRule { max_age: Duration::from_secs(86_400), max_retries: 5 },
        applied_on: AppliedOn::Local,
    };
    Writer::open(store, NoBackend, config).unwrap()
}

impl Fixture {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let local = PeerId::random();
        Self { writer: open(store.clone(), local), store, local }
    }

    fn submit(&mut self, operation: Operation) -> Result<Applied, SubmitError> {
        let ticket = self.writer.stage(Input::Submit(Box::new(operation)), NOW);
        let outcomes = match self.writer.commit(NOW) {
            Ok(committed) => committed.outcomes,
            Err(failed) => failed.outcomes,
        };
        match outcomes.into_iter().find(|(t, _)| *t == ticket).unwrap().1 {
            Outcome::Submit(result) => result,
            other => panic!("{other:?}"),
        }
    }

    fn transition(&mut self, input: TrackerInput) -> TrackerOutcome {
        self.writer.stage(Input::Tracker(input), NOW);
        match self.writer.commit(NOW).unwrap().outcomes.pop().unwrap().1 {
            Outcome::Tracker(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn rejected(&mut self, operation: Operation) -> Rejection {
        match self.submit(operation) {
            Err(SubmitError::Rejected(rejection)) => rejection,
            other => panic!("{other:?}"),
        }
    }

    fn rows(&self, tree: Tree, prefix: &[u8]) -> usize {
        self.store.snapshot().unwrap().prefix(tree, prefix, 4096).unwrap().len()
    }

    fn state(&self, cid: &Cid) -> Option<TrackedState> {
        let snapshot = self.store.snapshot().unwrap();
        read::tracker_row(&*snapshot, &PinKey::from_cid(cid)).unwrap().map(|row| row.state)
    }
}

fn cid(n: u8) -> Cid {
    Cid::new_v1(0x55, multihash::Multihash::wrap(0x12, &[n; 32]).unwrap())
}

fn pin(n: u8) -> Pin {
    Pin::new(cid(n))
}

fn add(pin: Pin) -> Operation {
    Operation::new(OperationKind::Pin(Box::new(pin)))
}

fn remove(n: u8) -> Operation {
    Operation::new(OperationKind::Unpin(PinKey::from_cid(&cid(n))))
}

#[test]
fn an_add_fills_in_defaults_and_writes_every_derived_row() {
    let mut f = Fixture::new();
    let mut wanted = pin(1);
    wanted.options.name = "one".into();
    wanted.options.expire_at = Some(UnixSeconds(1_800_000_000));
    wanted.options.replication = ReplicationFactors { min: 1, max: 2 };
    let mut operation = add(wanted);
    operation.ranked_candidates = vec![f.local];
    let applied = f.submit(operation).unwrap();
    assert_eq!(applied.pin.allocations, [f.local]);
    assert_eq!(applied.pin.timestamp, Some(NOW.seconds()));
    assert!(!applied.repeated);
    assert_eq!(f.state(&cid(1)), Some(TrackedState::PinQueuedPriority));
    assert_eq!(f.rows(Tree::ByPeer, &peer_prefix(&f.local)), 1);
    assert_eq!(f.rows(Tree::ByExpiry, &1_800_000_000u64.to_be_bytes()), 1);
    assert_eq!(f.rows(Tree::ByStatus, &[TrackedState::PinQueuedPriority.number()]), 1);
    assert_eq!(f.rows(Tree::Events, &[]), 1);
    let counters = Counters::load(&*f.store.snapshot().unwrap()).unwrap();
    assert_eq!(counters.pins(), 1);
    assert_eq!(counters.get(Counter::Peer(f.local)), 1);

    let gone = f.submit(remove(1)).unwrap();
    assert_eq!(gone.pin, applied.pin);
    assert_eq!(f.state(&cid(1)), Some(TrackedState::UnpinQueued));
    for tree in [Tree::Pins, Tree::ByPeer, Tree::ByExpiry] {
        assert_eq!(f.rows(tree, &[]), 0, "{tree:?}");
    }
    assert_eq!(f.rejected(remove(1)), Rejection::NotPinned);
}

#[test]
fn a_pin_for_others_is_remote_and_one_that_becomes_remote_is_unpinned_here() {
    let mut f = Fixture::new();
    let other = PeerId::random();
    let on = |peer, n| {
        let mut wanted = pin(n);
        wanted.options.replication = ReplicationFactors { min: 1, max: 1 };
        wanted.allocations = vec![peer];
        add(wanted)
    };
    f.submit(on(other, 1)).unwrap();
    assert_eq!(f.state(&cid(1)), Some(TrackedState::Remote));
    f.submit(remove(1)).unwrap();
    assert_eq!(f.state(&cid(1)), None, "nothing of ours was ever on the daemon");

    f.submit(on(f.local, 2)).unwrap();
    f.submit(on(other, 2)).unwrap();
    assert_eq!(f.state(&cid(2)), Some(TrackedState::RemoteUnpinQueued));
}

#[test]
fn the_rules_refuse_in_the_words_of_the_reference() {
    let mut f = Fixture::new();
    f.submit(add(pin(1))).unwrap();
    let mut direct = pin(1);
    direct.depth = PinDepth::DIRECT;
    let text = f.rejected(add(direct)).to_string();
    assert_eq!(
        text,
        "cannot repin a CID which is already pinned in recursive mode (new pin is pinned as direct). Unpin it first."
    );
    let mut expired = pin(2);
    expired.options.expire_at = Some(UnixSeconds(1));
    assert_eq!(f.rejected(add(expired)).to_string(), "pin.ExpireAt set before current time");
    let mut wrong = pin(2);
    wrong.options.replication = ReplicationFactors { min: 3, max: 2 };
    assert_eq!(f.rejected(add(wrong)).to_string(), "cluster.replication_factor_min is larger than max");
    let mut many = pin(2);
    many.options.replication = ReplicationFactors { min: 2, max: 2 };
    let mut operation = add(many);
    operation.ranked_candidates = vec![f.local];
    assert_eq!(f.rejected(operation), Rejection::NotEnoughPeers { needed: 2, wanted: 2, available: 1 });
    let mut big = pin(2);
    big.options.name = "x".repeat(600 * 1024);
    assert!(matches!(f.rejected(add(big)), Rejection::TooLarge { .. }));
    assert_eq!(f.rows(Tree::Pins, &[]), 1);
}

#[test]
fn preconditions_and_request_ids_are_evaluated_in_order() {
    let mut f = Fixture::new();
    let first = f.submit(add(pin(1))).unwrap();
    let guarded = |precondition, name: &str| {
        let options = PinOptions { name: name.into(), ..PinOptions::default() };
        Operation { precondition, ..add(Pin { options, ..pin(1) }) }
    };
    assert_eq!(f.rejected(guarded(Precondition::IfAbsent, "a")), Rejection::PreconditionFailed);
    let second = f.submit(guarded(Precondition::IfMatch(first.etag), "b")).unwrap();
    assert_eq!(f.rejected(guarded(Precondition::IfMatch(first.etag), "c")), Rejection::PreconditionFailed);
    assert_ne!(first.etag, second.etag);

    let keyed = |operation: Operation| Operation { request_id: RequestId::new("key-1"), ..operation };
    let once = f.submit(keyed(add(pin(2)))).unwrap();
    f.submit(remove(2)).unwrap();
    let again = f.submit(keyed(add(pin(2)))).unwrap();
    assert!(again.repeated);
    assert_eq!(again.pin, once.pin);
    assert_eq!(f.rows(Tree::Pins, PinKey::from_cid(&cid(2)).as_bytes()), 0, "it was not applied again");
    assert_eq!(f.rejected(keyed(add(pin(3)))), Rejection::RequestMismatch);
    // A lifetime is the same request again, though it would end later.
    let living = |seconds| {
        let mut living = pin(4);
        living.options.expire_at = Some(UnixSeconds(seconds));
        let request_id = RequestId::new("key-2");
        Operation { request_id, expires_in: Some(Duration::from_secs(60)), ..add(living) }
    };
    let end = NOW.0 / 1000 + 60;
    let once = f.submit(living(end)).unwrap();
    let again = f.submit(living(end + 2)).unwrap();
    assert!(again.repeated && again.pin.options.expire_at == once.pin.options.expire_at);
    let longer = Operation { expires_in: Some(Duration::from_secs(61)), ..living(end) };
    assert_eq!(f.rejected(longer), Rejection::RequestMismatch);
    // The memory of requests outlives the process.
    f.writer = open(f.store.clone(), f.local);
    assert!(f.submit(keyed(add(pin(2)))).unwrap().repeated);
}

#[test]
fn an_update_copies_its_source() {
    let mut f = Fixture::new();
    let mut source = pin(1);
    source.options.name = "old".into();
    source.options.metadata = [("k".to_owned(), "v".to_owned())].into();
    f.submit(add(source)).unwrap();
    let update =
        |n: u8, from: u8| Operation::new(OperationKind::PinUpdate { pin: Box::new(pin(n)), from: cid(from) });
    let updated = f.submit(update(2, 1)).unwrap().pin;
    assert_eq!((updated.options.name.as_str(), updated.options.pin_update), ("old", Some(cid(1))));
    assert_eq!(updated.options.metadata["k"], "v");
    assert_eq!(f.rejected(update(4, 3)), Rejection::NotPinned);
}

#[test]
fn results_for_an_older_revision_are_dropped() {
    let mut f = Fixture::new();
    f.submit(add(pin(1))).unwrap();
    let key = PinKey::from_cid(&cid(1));
    let row = |f: &Fixture| read::tracker_row(&*f.store.snapshot().unwrap(), &key).unwrap().unwrap();
    let old = row(&f).revision;
    f.submit(remove(1)).unwrap();
    f.submit(add(pin(1))).unwrap();
    let stale = TrackerInput::Pinned { key: key.clone(), revision: old, size: 1 };
    assert_eq!(f.transition(stale), TrackerOutcome::Ignored);
    assert_eq!(f.state(&cid(1)), Some(TrackedState::PinQueuedPriority));
    let revision = row(&f).revision;
    let failed = TrackerInput::Failed {
        key: key.clone(),
        revision,
        error: "no".into(),
        next_attempt: NOW.plus(Duration::from_secs(5)),
    };
    assert_eq!(f.transition(failed), TrackerOutcome::Applied);
    assert_eq!(f.rows(Tree::ByNextAttempt, &[]), 1);
    assert_eq!((row(&f).attempts, row(&f).error.as_str()), (1, "no"));
    assert_eq!(f.transition(TrackerInput::Recover { key: key.clone() }), TrackerOutcome::Applied);
    assert_eq!(f.rows(Tree::ByNextAttempt, &[]), 0);
    assert_eq!(row(&f).attempts, 1);
    let done = TrackerInput::Pinned { key: key.clone(), revision: row(&f).revision, size: 7 };
    assert_eq!(f.transition(done), TrackerOutcome::Applied);
    assert_eq!((f.state(&cid(1)), row(&f).size), (Some(TrackedState::Pinned), 7));
    f.submit(remove(1)).unwrap();
    let gone = TrackerInput::Unpinned { key: key.clone(), revision: row(&f).revision };
    assert_eq!(f.transition(gone), TrackerOutcome::Applied);
    assert_eq!(f.state(&cid(1)), None);
    assert_eq!(f.rows(Tree::ByStatus, &[]), 0);
}

#[test]
fn a_description_change_keeps_the_place_in_the_queue() {
    let mut f = Fixture::new();
    f.submit(add(pin(1))).unwrap();
    let key = PinKey::from_cid(&cid(1));
    let before = read::tracker_row(&*f.store.snapshot().unwrap(), &key).unwrap();
    let mut renamed = pin(1);
    renamed.options.name = "new".into();
    f.submit(add(renamed)).unwrap();
    assert_eq!(read::tracker_row(&*f.store.snapshot().unwrap(), &key).unwrap(), before);
}

#[test]
fn a_failed_write_is_unknown_then_busy_and_then_goes_on_with_the_right_totals() {
    for survives in [false, true] {
        let mut f = Fixture::new();
        f.submit(add(pin(1))).unwrap();
        f.store.fail_next_commit(FailMode::Unknown { survives });
        assert!(matches!(f.submit(add(pin(2))), Err(SubmitError::Unknown { .. })));
        assert!(f.writer.is_stale());
        assert!(matches!(f.submit(add(pin(3))), Err(SubmitError::Busy { .. })));
        f.store.recover().unwrap();
        f.writer.reload().unwrap();
        f.submit(add(pin(4))).unwrap();
        let pins = f.rows(Tree::Pins, &[]);
        assert_eq!(pins, if survives { 3 } else { 2 });
        assert_eq!(f.writer.counters().pins(), pins as u64);
    }
}

#[test]
fn operations_of_one_batch_see_each_other() {
    let mut f = Fixture::new();
    for operation in [add(pin(1)), remove(1), remove(1), add(pin(1))] {
        f.writer.stage(Input::Submit(Box::new(operation)), NOW);
    }
    let outcomes = f.writer.commit(NOW).unwrap().outcomes;
    let accepted: Vec<bool> = outcomes.iter().map(|(_, o)| matches!(o, Outcome::Submit(Ok(_)))).collect();
    assert_eq!(accepted, [true, true, false, true]);
    assert_eq!(f.writer.counters().pins(), 1);
}

#[test]
fn a_store_of_format_1_is_migrated_in_place_and_resumably_and_a_newer_one_refused() {
    let store = MemoryStore::new();
    let path = std::path::Path::new("store");
    let mut batch = Batch::new();
    format::stamp(&mut batch, 1);
    for n in 0..=255u8 {
        for m in 0..10u8 {
            let mut digest = [n; 32];
            digest[0] = m;
            let key =
                PinKey::from_cid(&Cid::new_v1(0x55, multihash::Multihash::wrap(0x12, &digest).unwrap()));
            let row = cluster_core::pinset::TrackerRow::new(1, TrackedState::Remote, NOW);
            batch.put(Tree::Tracker, key.as_bytes(), row.encode());
        }
    }
    store.commit(batch, Durability::Flushed).unwrap();
    // The first step lands, the second does not: the next start goes on behind the first.
    store.fail_next_commit(FailMode::Refused);
    assert!(format::ensure(&store, path).is_err());
    store.recover().unwrap();
    assert_eq!(format::ensure(&store, path).unwrap(), Some(1));
    let mut cursor = cluster_core::ports::datastore::Cursor::all(Tree::ByStatus);
    let mut rows = 0;
    while !cursor.is_done() {
        rows += cursor.next_page(&store, 4096).unwrap().len();
    }
    assert_eq!(rows, 2560);
    assert_eq!(format::ensure(&store, path).unwrap(), Some(format::FORMAT));

    let mut batch = Batch::new();
    format::stamp(&mut batch, format::FORMAT + 1);
    store.commit(batch, Durability::Flushed).unwrap();
    let error = format::ensure(&store, path).unwrap_err();
    assert!(matches!(error, StoreError::NewerFormat { found, .. } if found == format::FORMAT + 1), "{error}");
}

#[test]
fn the_totals_of_a_store_of_format_2_are_kept() {
    let store = MemoryStore::new();
    let path = std::path::Path::new("store");
    let peer = PeerId::random();
    let old = [
        (vec![b'k', 2], Counter::Kind(2), 5),
        (vec![b's', TrackedState::Pinned.number()], Counter::State(TrackedState::Pinned), 300),
        ([b"p".as_slice(), &peer.to_bytes()].concat(), Counter::Peer(peer), 3),
        (b"c".to_vec(), Counter::Changes, 70_000),
        (b"t".to_vec(), Counter::Tombstones, 1),
    ];
    let mut batch = Batch::new();
    format::stamp(&mut batch, 2);
    for (key, _, total) in &old {
        batch.put(Tree::Counters, key.clone(), cluster_core::pinset::RowWriter::new(1).int(*total).finish());
    }
    store.commit(batch, Durability::Flushed).unwrap();
    store.fail_next_commit(FailMode::Refused);
    assert!(format::ensure(&store, path).is_err());
    store.recover().unwrap();
    for found in [2, format::FORMAT] {
        assert_eq!(format::ensure(&store, path).unwrap(), Some(found));
        let snapshot = store.snapshot().unwrap();
        let counters = Counters::load(&*snapshot).unwrap();
        let mut expected: Vec<_> = old.iter().map(|(_, counter, total)| (*counter, *total)).collect();
        expected.sort();
        assert_eq!(counters.iter().collect::<Vec<_>>(), expected);
        for (counter, total) in expected {
            assert_eq!(Counters::read(&*snapshot, counter).unwrap(), total);
        }
        assert_eq!(snapshot.prefix(Tree::Counters, b"", 100).unwrap().len(), 2);
    }
}

#[test]
fn reading_by_state_finds_all_rows_of_every_state_few_or_many() {
    let mut f = Fixture::new();
    let many: Vec<Pin> = (0..2_500u32)
        .map(|n| {
            let digest = [n.to_be_bytes(); 8].concat();
            Pin::new(Cid::new_v1(0x55, multihash::Multihash::wrap(0x12, &digest).unwrap()))
        })
        .collect();
    for pin in &many {
        f.writer.stage(Input::Submit(Box::new(add(pin.clone()))), NOW);
    }
    f.writer.commit(NOW).unwrap();
    let in_state = |f: &Fixture, state| {
        let mut cursor = read::TrackedCursor::of(&[state], std::collections::BTreeSet::new());
        let mut keys = Vec::new();
        loop {
            let page = cursor.next_page(&*f.store, 700).unwrap();
            if page.is_empty() {
                return keys;
            }
            keys.extend(page.into_iter().map(|tracked| tracked.key));
        }
    };
    assert_eq!(in_state(&f, TrackedState::PinQueuedPriority).len(), many.len());
    assert_eq!(in_state(&f, TrackedState::Pinned), []);
    // Now nearly all rows leave the state, which takes their remains along into the range.
    let (kept, pinned) = many.split_at(3);
    for pin in pinned {
        let key = pin.key();
        let revision = read::tracker_row(&*f.store.snapshot().unwrap(), &key).unwrap().unwrap().revision;
        f.writer.stage(Input::Tracker(TrackerInput::Pinned { key, revision, size: 0 }), NOW);
    }
    f.writer.commit(NOW).unwrap();
    let mut expected: Vec<PinKey> = kept.iter().map(Pin::key).collect();
    expected.sort();
    assert_eq!(in_state(&f, TrackedState::PinQueuedPriority), expected);
    assert_eq!(in_state(&f, TrackedState::Pinned).len(), pinned.len());
}

/// What others put in order is carried out with their factors, at their time, and needs no flush of its own.
#[test]
fn an_ordered_change_is_carried_out_as_it_was_submitted() {
    let mut fixture = Fixture::new();
    let pin = Pin::new(PinKey::from_bytes(&[1, 0x55, 0, 1, 7]).unwrap().cid());
    let candidates: Vec<PeerId> = (0..3).map(|_| PeerId::random()).collect();
    let operation = Operation {
        ranked_candidates: candidates.clone(),
        ..Operation::new(OperationKind::Pin(Box::new(pin.clone())))
    };
    let replication = ReplicationFactors { min: 1, max: 2 };
    let then = UnixMillis(NOW.0 - 86_400_000);
    fixture.writer.stage(Input::Ordered(Box::new(Ordered { operation, replication })), then);
    assert!(fixture.writer.deadline().is_some_and(|at| at > UnixMillis(0)), "nobody waits for a flush");
    let outcomes = fixture.writer.commit_unsynced(NOW).unwrap().outcomes;
    let [(_, Outcome::Submit(Ok(applied)))] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert_eq!(applied.pin.options.replication, replication);
    assert_eq!(applied.pin.allocations, candidates[..2]);
    assert_eq!(applied.pin.timestamp, Some(then.seconds()));
    let stored = read::pin(&*fixture.store.snapshot().unwrap(), &pin.key()).unwrap();
    assert_eq!(stored, Some((applied.pin.clone(), applied.etag)));
    assert_eq!(fixture.store.unflushed_commits(), 1);
}
