//! Snapshots arrive whole or not at all.

use super::{
    super::{
        Chunk, ChunkName, Digest, Place, SnapshotBody,
        codec::position,
        rows::spool_key,
        snapshot::{Chunks, HeldSpool, sum_of},
        type_config::Entry,
    },
    disk::{Disk, OnDisk},
    peer::{Peer, add, at, config, proposed, remove, replicated, with_id},
};
use cluster_core::{
    PeerId, UnixMillis,
    ports::datastore::{Batch, Datastore, Durability, StoreError, Tree},
};
use cluster_datastore::MemoryStore;
use openraft::{RaftSnapshotBuilder as _, storage::RaftStateMachine as _};
use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

const START: UnixMillis = UnixMillis(1_700_000_000_000);

/// A log that leads to some pins and requests, more than one chunk of each.
fn long_log(pins: u16) -> Vec<Entry> {
    let adds = (0..pins).map(|number| with_id(add(number, "new"), &format!("request {number}")));
    let removals = (0..pins / 10).map(|number| remove(number * 10));
    (1..).zip(adds.chain(removals)).map(|(index, operation)| proposed(at(index), operation, START)).collect()
}

/// What a peer had before: some of the same pins, some others.
fn short_log() -> Vec<Entry> {
    let same = (1..60).map(|number| with_id(add(number, "new"), &format!("request {number}")));
    let others = (2500..2600).map(|number| with_id(add(number, "old"), &format!("old {number}")));
    let changed = (60..90).map(|number| add(number, "old"));
    (1..)
        .zip(same.chain(others).chain(changed))
        .map(|(index, operation)| proposed(at(index), operation, START))
        .collect()
}

async fn source(pins: u16) -> Peer {
    let mut source = Peer::open(Arc::new(MemoryStore::new())).await;
    source.apply(&long_log(pins)).await.unwrap();
    source
}

#[tokio::test]
async fn a_peer_becomes_equal_to_the_snapshot() {
    let mut source = source(2000).await;
    for starts_empty in [true, false] {
        let mut target = Peer::open(Arc::new(MemoryStore::new())).await;
        if !starts_empty {
            target.apply(&short_log()).await.unwrap();
        }
        let snapshot = source.machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
        let mut waiter = target.waiters.register(7);
        target.machine.install_snapshot(&snapshot.meta, snapshot.snapshot).await.unwrap();
        assert!(waiter.outcome().await.is_err(), "whoever waited will never learn");
        assert!(replicated(&*source.store) == replicated(&*target.store), "the rows differ");
        assert_eq!(
            target.machine.applied_state().await.unwrap(),
            source.machine.applied_state().await.unwrap()
        );
        target.assert_consistent();
        assert!(super::peer::rows(&*target.store, Tree::RaftLog).is_empty(), "nothing is left of the chunks");
        // It goes on from there as the source does: a repetition is known, an old request is not.
        let next = position(&snapshot.meta.last_log_id.unwrap()).index + 1;
        for (number, id, repeated) in [(1u16, "request 1", true), (2500, "old 2500", false)] {
            let next = next + u64::from(!repeated);
            let mut waiter = target.waiters.register(next);
            let name = if repeated { "new" } else { "old" };
            let entry = proposed(at(next), with_id(add(number, name), id), START);
            target.apply(&[entry]).await.unwrap();
            assert_eq!(waiter.outcome().await.unwrap().repeated, repeated, "{id}");
        }
        target.assert_consistent();
        assert!(target.machine.get_current_snapshot().await.unwrap().is_some());
        target.stop().await;
    }
    source.stop().await;
}

/// Notes how many rows the largest batch wrote.
struct Measured {
    inner: MemoryStore,
    largest: AtomicU64,
}

impl Disk for Measured {
    fn inner(&self) -> &MemoryStore {
        &self.inner
    }
    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        self.largest.fetch_max(batch.len() as u64, Ordering::SeqCst);
        self.inner.commit(batch, durability)
    }
}

/// What is not in the snapshot goes in bounded batches, however much it is.
#[tokio::test]
async fn a_large_pinset_becomes_a_small_one() {
    let mut source = source(3).await;
    let disk = Arc::new(OnDisk(Measured { inner: MemoryStore::new(), largest: AtomicU64::new(0) }));
    let mut target = Peer::open(disk.clone()).await;
    target.apply(&long_log(4000)).await.unwrap();
    let rows = super::peer::rows(&*disk, Tree::Pins).len() as u64;
    let snapshot = source.machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
    disk.0.largest.store(0, Ordering::SeqCst);
    target.machine.install_snapshot(&snapshot.meta, snapshot.snapshot).await.unwrap();
    assert!(replicated(&*source.store) == replicated(&*target.store), "the rows differ");
    target.assert_consistent();
    // A pin that goes takes some rows with it; all of them at once would be more than this.
    let largest = disk.0.largest.load(Ordering::SeqCst);
    assert!(largest > 0 && largest < rows * 4, "{largest} rows in one batch, for {rows} pins");
}

/// Flushes only what others than the pinset's writer ask for: its own flush comes when it comes.
struct Unhurried(MemoryStore);

impl Disk for Unhurried {
    fn inner(&self) -> &MemoryStore {
        &self.0
    }
    fn sync(&self) -> Result<(), StoreError> {
        if std::thread::current().name() == Some("pinset") { Ok(()) } else { self.0.sync() }
    }
}

/// The leader counts on a snapshot that was acknowledged.
#[tokio::test]
async fn an_acknowledged_snapshot_survives_a_power_cut() {
    let mut source = source(300).await;
    let store = MemoryStore::new();
    let mut target = Peer::open(Arc::new(OnDisk(Unhurried(store.clone())))).await;
    let snapshot = source.machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
    target.machine.install_snapshot(&snapshot.meta, snapshot.snapshot).await.unwrap();
    let mut again = Peer::open(Arc::new(store.power_cut())).await;
    assert_eq!(again.machine.applied_state().await.unwrap().0, snapshot.meta.last_log_id);
    assert!(replicated(&*again.store) == replicated(&*source.store), "the rows differ");
}

/// A store that fails at some commit, and at every one after it.
struct Failing {
    inner: MemoryStore,
    left: AtomicU64,
}

impl Failing {
    fn count(&self) -> Result<(), StoreError> {
        let counted = self.left.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        let refused = |_| StoreError::ReadOnly { path: PathBuf::new(), cause: "cut".to_owned() };
        counted.map(|_| ()).map_err(refused)
    }
}

impl Disk for Failing {
    fn inner(&self) -> &MemoryStore {
        &self.inner
    }
    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        self.count()?;
        self.inner.commit(batch, durability)
    }
    fn sync(&self) -> Result<(), StoreError> {
        self.count()?;
        self.inner.sync()
    }
}

/// Whatever commit is the last, after a restart the peer has the old state or the new one.
#[tokio::test]
async fn an_installation_that_is_interrupted_leaves_the_old_or_the_new() {
    let mut source = source(1500).await;
    let new = replicated(&*source.store);
    let local = PeerId::random();
    let (mut olds, mut news) = (0, 0);
    for commits in 0.. {
        let store = MemoryStore::new();
        let mut target = Peer::open_as(Arc::new(store.clone()), config(local)).await.unwrap();
        target.apply(&short_log()).await.unwrap();
        store.sync().unwrap();
        target.stop().await;
        let old = replicated(&store);
        let failing = Failing { inner: store.clone(), left: AtomicU64::new(commits) };
        let mut target = Peer::open_as(Arc::new(OnDisk(failing)), config(local)).await.unwrap();
        let snapshot = source.machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
        let is_done = target.machine.install_snapshot(&snapshot.meta, snapshot.snapshot).await.is_ok();
        // Killed, with what the system had not written yet still there, or gone.
        for left in [store.clone(), store.power_cut()] {
            let again = Peer::open_as(Arc::new(left), config(local)).await.unwrap();
            let found = replicated(&*again.store);
            assert!(found == old || found == new, "a mixture after {commits} commits");
            again.assert_consistent();
            let mut again = again;
            let (applied, _) = again.machine.applied_state().await.unwrap();
            let is_new = applied == snapshot.meta.last_log_id;
            assert_eq!(is_new, found == new, "the place is not that of the rows, after {commits} commits");
            assert!(is_new || !is_done, "an installation that was acknowledged is lost");
            *if is_new { &mut news } else { &mut olds } += 1;
            again.stop().await;
        }
        if is_done {
            break;
        }
    }
    assert!(olds > 2 && news > 2, "{olds} old, {news} new: it was not interrupted in between");
    source.stop().await;
}

/// The chunks of a peer's snapshot, as it sends them.
async fn sent_by(source: &mut Peer) -> Vec<Vec<u8>> {
    let snapshot = source.machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
    let Chunks::View(mut view) = snapshot.snapshot.chunks else { panic!("not a view") };
    std::iter::from_fn(|| view.next_chunk().unwrap().map(|chunk| chunk.encode())).collect()
}

fn names(sent: &[Vec<u8>]) -> Vec<ChunkName> {
    let name = |bytes: &Vec<u8>| {
        let Chunk { place, upto, .. } = Chunk::decode(bytes).unwrap();
        ChunkName { place, upto, sum: sum_of(bytes) }
    };
    sent.iter().map(name).collect()
}

fn digest(sent: &[Vec<u8>]) -> [u8; 32] {
    let mut digest = Digest::default();
    sent.iter().for_each(|bytes| digest.add(sum_of(bytes)));
    digest.finish()
}

/// Sends what is missing, and says how many chunks that was.
fn send(spool: &mut HeldSpool, last: u64, sent: &[Vec<u8>]) -> usize {
    let missing = spool.missing(at(last), &names(sent)).unwrap();
    for (bytes, _) in sent.iter().zip(&missing).filter(|(_, is_missing)| **is_missing) {
        spool.add_foreign(bytes.clone()).unwrap().unwrap();
    }
    missing.into_iter().filter(|is_missing| *is_missing).count()
}

#[tokio::test]
async fn a_snapshot_is_installed_once_all_of_it_has_arrived() {
    let mut source = source(2000).await;
    let sent = sent_by(&mut source).await;
    assert!(sent.len() > 6, "{} chunks", sent.len());
    let mut target = Peer::open(Arc::new(MemoryStore::new())).await;
    let mut spool = target.machine.spool().hold().unwrap();
    assert!(target.machine.spool().hold().is_none(), "two snapshots at once");
    for bytes in &sent {
        let mut damaged = bytes.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        assert!(spool.add_foreign(damaged).unwrap().is_err());
        assert!(spool.is_whole(sent.len() as u64, digest(&sent)).is_err(), "it is not all there");
        spool.add_foreign(bytes.clone()).unwrap().unwrap();
    }
    assert!(!spool.is_whole(sent.len() as u64 - 1, digest(&sent)).unwrap());
    assert!(!spool.is_whole(sent.len() as u64, digest(&sent[1..])).unwrap());
    assert!(spool.is_whole(sent.len() as u64, digest(&sent)).unwrap());
    let snapshot = source.machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
    let SnapshotBody { clock, cluster, .. } = snapshot.snapshot;
    let body = SnapshotBody { clock, cluster, chunks: Chunks::Spooled(spool) };
    target.machine.install_snapshot(&snapshot.meta, body).await.unwrap();
    assert!(replicated(&*source.store) == replicated(&*target.store), "the rows differ");
    assert!(target.machine.spool().hold().is_some(), "there is room for the next one");
    assert!(super::peer::rows(&*target.store, Tree::RaftLog).is_empty(), "nothing is left of it");
}

#[tokio::test]
async fn what_arrived_before_a_restart_is_not_sent_again() {
    let mut source = source(3000).await;
    let sent = sent_by(&mut source).await;
    let last = source.machine.applied_state().await.unwrap().0.unwrap().index;
    let store: Arc<dyn Datastore> = Arc::new(MemoryStore::new());
    let half = sent.len() / 2;
    let mut target = Peer::open(store.clone()).await;
    let mut spool = target.machine.spool().hold().unwrap();
    assert_eq!(send(&mut spool, last, &sent[..half]), half);
    drop(spool);
    target.stop().await;
    // A part that was damaged on the disk meanwhile counts as missing.
    let key = spool_key(&names(&sent)[1].place);
    let mut row = store.snapshot().unwrap().get(Tree::RaftLog, &key).unwrap().unwrap();
    row[20] ^= 1;
    let mut batch = Batch::new();
    batch.put(Tree::RaftLog, key, row);
    store.commit(batch, Durability::Lazy).unwrap();
    target = Peer::open(store.clone()).await;
    let mut spool = target.machine.spool().hold().unwrap();
    assert_eq!(send(&mut spool, last, &sent[..half]), 1);
    // Another leader's, a little later: one pin more, one pin less, and one that changed. Each is in one chunk, and the outcome of no
    // request changed.
    let more = [add(2999, "changed"), add(3000, "more"), remove(5)];
    let more: Vec<Entry> =
        (last + 1..).zip(more).map(|(index, operation)| proposed(at(index), operation, START)).collect();
    source.apply(&more).await.unwrap();
    let later = sent_by(&mut source).await;
    let known: BTreeSet<_> = sent[..half].iter().map(|bytes| sum_of(bytes)).collect();
    let wanted = later.iter().filter(|bytes| !known.contains(&sum_of(bytes))).count();
    assert!(wanted <= later.len() - half + 4, "{wanted} of {} chunks", later.len());
    assert_eq!(send(&mut spool, last + 3, &later), wanted);
    assert!(spool.is_whole(later.len() as u64, digest(&later)).unwrap());
    drop(spool);
    // The log led beyond it: it is of no use any more.
    target.apply(&[proposed(at(last + 3), add(1, "by the log"), START)]).await.unwrap();
    assert!(super::peer::rows(&*store, Tree::RaftLog).is_empty(), "chunks are left");
    target.stop().await;
    source.stop().await;
}

#[tokio::test]
async fn what_a_peer_has_already_is_not_sent() {
    let log = long_log(3000);
    let mut source = Peer::open(Arc::new(MemoryStore::new())).await;
    source.apply(&log).await.unwrap();
    let mut target = Peer::open(Arc::new(MemoryStore::new())).await;
    // It lacks the last ten removals.
    target.apply(&log[..log.len() - 10]).await.unwrap();
    let sent = sent_by(&mut source).await;
    let mut spool = target.machine.spool().hold().unwrap();
    let missing = send(&mut spool, log.len() as u64, &sent);
    assert!((1..=10).contains(&missing), "{missing} of {} chunks", sent.len());
    assert!(spool.is_whole(sent.len() as u64, digest(&sent)).unwrap());
    // Ranges that no chunk covers are asked for, not read.
    let all = ChunkName { place: Place::FIRST, upto: None, sum: [0; 16] };
    assert_eq!(spool.missing(at(5000), &[all]).unwrap(), [true]);
    drop(spool);
    target.stop().await;
    source.stop().await;
}
