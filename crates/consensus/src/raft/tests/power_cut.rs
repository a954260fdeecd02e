//! What a power cut leaves: every acknowledged vote and entry, and a pinset that is exactly as far as it says.

use super::{
    super::{
        LogPosition, RaftBackend, RaftInput,
        codec::{log_id, position},
        rows::{APPLIED, AppliedRow},
        type_config::{Entry, Vote},
    },
    disk::{Disk, OnDisk},
    peer::{Peer, add, at, config, proposed, remove, replicated, rows, with_id},
};
use cluster_core::{
    PeerId, ReplicationFactors, UnixMillis,
    pinset::{Input, Ordered, Writer},
    ports::datastore::{Batch, Datastore, Durability, StoreError, Tree},
};
use cluster_datastore::{FailMode, MemoryStore};
use openraft::{
    RaftLogReader as _,
    storage::{IOFlushed, RaftLogStorage as _, RaftLogStorageExt as _},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

const START: UnixMillis = UnixMillis(1_700_000_000_000);

fn vote(term: u64) -> Vote {
    openraft::impls::Vote::new(term, 1.into())
}

/// What a peer was told is stored.
#[derive(Default)]
struct Acknowledged {
    vote: Option<Vote>,
    entries: BTreeMap<u64, Entry>,
    /// Every entry that was carried out, in order.
    carried_out: Vec<Entry>,
    purged: u64,
}

/// Votes, and makes entry 1 the first.
async fn begin(peer: &mut Peer) {
    peer.log.purge(log_id(at(0))).await.unwrap();
    peer.log.save_vote(&vote(1)).await.unwrap();
}

fn applied_row(store: &dyn Datastore) -> AppliedRow {
    let row = store.snapshot().unwrap().get(Tree::RaftState, APPLIED).unwrap();
    row.map(|row| AppliedRow::decode(&row).unwrap()).unwrap_or_default()
}

/// Works on `store` for a while; returns what was acknowledged, and what a power cut then leaves of `disk` below it.
async fn work(
    random: &mut ChaCha8Rng,
    store: Arc<dyn Datastore>,
    disk: &MemoryStore,
) -> (Acknowledged, MemoryStore) {
    let mut peer = Peer::open(store).await;
    let mut term = 1;
    begin(&mut peer).await;
    let mut told = Acknowledged { vote: Some(vote(term)), ..Acknowledged::default() };
    for _ in 0..random.random_range(5..40) {
        let last = told.entries.keys().next_back().copied().unwrap_or(told.purged);
        match random.random_range(0..10) {
            0 => {
                term += 1;
                peer.log.save_vote(&vote(term)).await.unwrap();
                told.vote = Some(vote(term));
            }
            1..=4 => {
                // Several appends that may share a flush, as openraft makes them.
                let entries: Vec<Entry> = (1..=random.random_range(1..6u64))
                    .map(|n| {
                        let number = random.random_range(0..30);
                        let operation = match random.random_range(0..4) {
                            0 => remove(number),
                            1 => with_id(add(number, "id"), &format!("id {number}")),
                            _ => add(number, &format!("{}", last + n)),
                        };
                        proposed(at(last + n), operation, START)
                    })
                    .collect();
                let appends = entries.iter().map(|entry| {
                    let mut log = peer.log.clone();
                    async move { log.blocking_append([entry.clone()]).await }
                });
                for append in futures_util::future::join_all(appends).await {
                    append.unwrap();
                }
                told.entries.extend(entries.into_iter().map(|entry| (entry.log_id.index, entry)));
            }
            5..=7 => {
                let from = told.carried_out.last().map_or(0, |entry| entry.log_id.index) + 1;
                let upto = from + random.random_range(0..8);
                let group: Vec<Entry> =
                    told.entries.range(from..upto).map(|(_, entry)| entry.clone()).collect();
                peer.apply(&group).await.unwrap();
                told.carried_out.extend(group);
            }
            8 => {
                // A new leader had other entries: none of these was carried out.
                let keep = told.carried_out.last().map_or(told.purged, |entry| entry.log_id.index);
                let keep = random.random_range(keep..=last.max(keep));
                let keep_id = (keep > 0).then(|| log_id(at(keep)));
                peer.log.truncate_after(keep_id).await.unwrap();
                told.entries.split_off(&(keep + 1));
            }
            _ => {
                let upto = told.carried_out.last().map_or(0, |entry| entry.log_id.index);
                if upto > told.purged {
                    peer.log.purge(log_id(at(upto))).await.unwrap();
                    told.entries = told.entries.split_off(&(upto + 1));
                    told.purged = upto;
                }
            }
        }
    }
    // The power goes before anything is stopped.
    (told, disk.power_cut())
}

/// Compares what is left with what was acknowledged; returns how many carried out entries were lost.
async fn judge(told: &Acknowledged, left: MemoryStore) -> Result<usize, String> {
    let left: Arc<dyn Datastore> = Arc::new(left);
    let applied = applied_row(&*left).last.map_or(0, |last| last.index);
    let mut peer = Peer::open(left.clone()).await;
    if told.vote != peer.log.read_vote().await.unwrap() {
        return Err("the vote is not the one acknowledged".to_owned());
    }
    let found = peer.log.try_get_log_entries(..).await.map_err(|error| error.to_string())?;
    let state = peer.log.get_log_state().await.unwrap();
    let purged = state.last_purged_log_id.as_ref().map_or(0, |id| position(id).index);
    if purged > applied {
        return Err(format!("the log is purged up to {purged}, the pinset only at {applied}"));
    }
    let indexes: Vec<u64> = found.iter().map(|entry| entry.log_id.index).collect();
    if !indexes.iter().copied().eq((purged + 1..).take(indexes.len())) {
        return Err(format!("there is a hole in the log behind {purged}: {indexes:?}"));
    }
    let found: BTreeMap<u64, Entry> = found.into_iter().map(|entry| (entry.log_id.index, entry)).collect();
    for (index, entry) in &told.entries {
        if found.get(index) != Some(entry) {
            return Err(format!("entry {index} is lost or another"));
        }
    }
    // The pinset is that of the entries up to the place it names, carried out by somebody else.
    let kept = told.carried_out.iter().take_while(|entry| entry.log_id.index <= applied).count();
    let mut model = Peer::open(Arc::new(MemoryStore::new())).await;
    for entry in &told.carried_out[..kept] {
        model.apply(std::slice::from_ref(entry)).await.unwrap();
    }
    if replicated(&*left) != replicated(&*model.store) {
        return Err(format!("the pinset is not that of entry {applied}"));
    }
    // What was lost is carried out again, out of the log.
    let rest = &told.carried_out[kept..];
    if rest.iter().any(|entry| found.get(&entry.log_id.index) != Some(entry)) {
        return Err("an entry that has to be carried out again is gone".to_owned());
    }
    peer.apply(rest).await.map_err(|error| error.to_string())?;
    model.apply(rest).await.unwrap();
    if replicated(&*left) != replicated(&*model.store) {
        return Err("carried out again, it is another pinset".to_owned());
    }
    peer.stop().await;
    model.stop().await;
    Ok(rest.len())
}

#[tokio::test]
async fn what_was_acknowledged_survives_and_the_pinset_is_as_far_as_it_says() {
    let mut lost = 0;
    for seed in 0..60 {
        let store = MemoryStore::new();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (told, left) = work(&mut random, Arc::new(store.clone()), &store).await;
        match judge(&told, left).await {
            Ok(entries) => lost += entries,
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    assert!(lost > 0, "no power cut lost anything: there was nothing to see");
}

/// A disk on which the log waits.
struct Slow {
    inner: MemoryStore,
    held: Mutex<bool>,
    changed: Condvar,
}

impl Slow {
    fn hold(&self, held: bool) {
        *self.held.lock().unwrap() = held;
        self.changed.notify_all();
    }
}

impl Disk for Slow {
    fn inner(&self) -> &MemoryStore {
        &self.inner
    }
    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        if batch.writes().iter().any(|write| write.tree == Tree::RaftLog) {
            drop(self.changed.wait_while(self.held.lock().unwrap(), |held| *held).unwrap());
        }
        self.inner.commit(batch, durability)
    }
}

/// A quorum of others may commit what is not flushed here yet.
#[tokio::test]
async fn the_pinset_waits_for_the_log() {
    let store =
        Arc::new(OnDisk(Slow { inner: MemoryStore::new(), held: Mutex::default(), changed: Condvar::new() }));
    let mut peer = Peer::open(store.clone()).await;
    let entry = proposed(at(1), add(1, "one"), START);
    store.0.hold(true);
    peer.log.append([entry.clone()], IOFlushed::noop()).await.unwrap();
    let group = [entry];
    let mut applied = std::pin::pin!(peer.apply(&group));
    let waits = tokio::time::timeout(Duration::from_millis(100), applied.as_mut()).await;
    let ahead = applied_row(&store.0.inner).last;
    store.0.hold(false);
    assert!(waits.is_err() && ahead.is_none(), "the pinset is at {ahead:?}, the log is empty");
    applied.await.unwrap();
    assert_eq!(applied_row(&store.0.inner).last, Some(at(1)));
}

/// A disk that says that it flushed.
struct Liar(MemoryStore);

impl Disk for Liar {
    fn inner(&self) -> &MemoryStore {
        &self.0
    }
    fn commit(&self, batch: Batch, _: Durability) -> Result<(), StoreError> {
        self.0.commit(batch, Durability::Lazy)
    }
    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The judge sees what it claims to see.
#[tokio::test]
async fn a_disk_that_does_not_flush_is_caught() {
    let mut caught = 0;
    for seed in 0..10 {
        let store = MemoryStore::new();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (told, left) = work(&mut random, Arc::new(OnDisk(Liar(store.clone()))), &store).await;
        caught += usize::from(judge(&told, left).await.is_err());
    }
    assert!(caught >= 9, "only {caught} of 10 were caught");
}

/// A vote or an entry whose write failed is not acknowledged, and neither is anything after it.
#[tokio::test]
async fn nothing_is_acknowledged_after_a_failed_write() {
    for survives in [false, true] {
        let store = MemoryStore::new();
        let mut peer = Peer::open(Arc::new(store.clone())).await;
        begin(&mut peer).await;
        peer.log.blocking_append([proposed(at(1), add(1, "one"), START)]).await.unwrap();
        store.fail_next_commit(FailMode::Unknown { survives });
        assert!(peer.log.save_vote(&vote(2)).await.is_err());
        store.recover().unwrap();
        // The disk works again, but what this log has in memory is not what the disk has.
        assert!(peer.log.blocking_append([proposed(at(2), add(2, "two"), START)]).await.is_err());
        assert!(peer.log.save_vote(&vote(3)).await.is_err());
        let mut again = Peer::open(Arc::new(store.power_cut())).await;
        assert_eq!(again.log.read_vote().await.unwrap(), Some(vote(if survives { 2 } else { 1 })));
        let left = again.log.try_get_log_entries(..).await.unwrap();
        assert_eq!(left.len(), 1);
        again.log.blocking_append([proposed(at(2), add(2, "two"), START)]).await.unwrap();
    }
}

/// A group does not go onto a store that lost the one before it.
#[test]
fn a_group_is_not_carried_out_behind_a_gap() {
    let store = Arc::new(MemoryStore::new());
    let mut writer =
        Writer::open(store.clone() as Arc<dyn Datastore>, RaftBackend::default(), config(PeerId::random()))
            .unwrap();
    let mut carry_out = |after: Option<LogPosition>, index: u64| {
        let operation = add(u16::try_from(index).unwrap(), "");
        let ordered = Ordered { operation, replication: ReplicationFactors::EVERYWHERE };
        let applied = AppliedRow { last: Some(at(index)), ..AppliedRow::default() };
        writer.stage(Input::Backend(RaftInput::After(after)), START);
        writer.stage(Input::Ordered(Box::new(ordered)), START);
        writer.stage(Input::Backend(RaftInput::Applied(applied)), START);
        let result = writer.commit_unsynced(START).map(|_| ()).map_err(|failed| failed.error);
        writer.reload().unwrap();
        result
    };
    carry_out(None, 1).unwrap();
    for wrong in [None, Some(at(2)), Some(LogPosition { term: 2, index: 1 })] {
        assert!(carry_out(wrong, 3).is_err(), "after {wrong:?}");
        assert_eq!(rows(&*store, Tree::Pins).len(), 1);
        assert_eq!(applied_row(&*store).last, Some(at(1)));
    }
    carry_out(Some(at(1)), 2).unwrap();
    assert_eq!(rows(&*store, Tree::Pins).len(), 2);
}
