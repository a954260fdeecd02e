//! A log that is not what was written is never taken for a shorter one.

use super::{
    super::{
        LogPosition, Place, RaftLogStore, StateMachineError,
        codec::log_id,
        entry_row::write_row,
        rows::{AppliedRow, END, INSTALLING, VOTE, entry_key, spool_key},
        type_config::Vote,
    },
    peer::{Peer, add, at, config, proposed, rows},
};
use cluster_core::{
    PeerId, UnixMillis,
    ports::datastore::{Batch, Datastore, Durability, StoreError, Tree},
};
use cluster_datastore::MemoryStore;
use openraft::storage::{IOFlushed, RaftLogStorage as _, RaftLogStorageExt as _};
use std::sync::Arc;

const START: UnixMillis = UnixMillis(1_700_000_000_000);

const ENTRIES: u64 = 6;

/// Returns what a peer leaves that stopped with a vote and a few entries.
async fn written() -> MemoryStore {
    let store = MemoryStore::new();
    let mut peer = Peer::open(Arc::new(store.clone())).await;
    let vote: Vote = openraft::impls::Vote::new(1, 1.into());
    peer.log.save_vote(&vote).await.unwrap();
    for index in 0..ENTRIES {
        let number = u16::try_from(index).unwrap();
        peer.log.blocking_append([proposed(at(index), add(number, "a pin"), START)]).await.unwrap();
    }
    peer.stop().await;
    store
}

fn change(store: &MemoryStore, change: impl FnOnce(&mut Batch)) {
    let mut batch = Batch::new();
    change(&mut batch);
    store.commit(batch, Durability::Flushed).unwrap();
}

/// Returns what is wrong with the log of a store, as a peer says that starts on it.
fn complaint(store: &MemoryStore) -> Option<String> {
    let error = RaftLogStore::open(Arc::new(store.clone())).err()?;
    let text = error.to_string();
    assert!(text.contains("peers rm") && text.contains("state cleanup"), "names no remedy: {text}");
    Some(text)
}

fn assert_says(store: &MemoryStore, what: &str) {
    let said = complaint(store).unwrap_or_else(|| panic!("taken for whole, and should say {what:?}"));
    assert!(said.contains(what), "says {said:?} and not {what:?}");
}

#[tokio::test]
async fn a_whole_log_is_taken() {
    assert_eq!(complaint(&written().await), None);
}

#[tokio::test]
async fn an_entry_that_is_gone_is_missed_wherever_it_was() {
    for gone in 0..ENTRIES {
        let store = written().await;
        change(&store, |batch| batch.delete(Tree::RaftLog, entry_key(gone)));
        assert_says(&store, &format!("entry {gone} is missing"));
    }
    let store = written().await;
    change(&store, |batch| {
        (2..ENTRIES).for_each(|index| batch.delete(Tree::RaftLog, entry_key(index)));
    });
    assert_says(&store, "the entries 2 to 5 are missing");
    let store = written().await;
    change(&store, |batch| {
        (0..ENTRIES).for_each(|index| batch.delete(Tree::RaftLog, entry_key(index)));
    });
    assert_says(&store, "the entries 0 to 5 are missing");
}

#[tokio::test]
async fn an_entry_that_was_changed_is_seen_at_every_byte() {
    let store = written().await;
    for index in [0, 3, ENTRIES - 1] {
        let key = entry_key(index);
        let row = store.snapshot().unwrap().get(Tree::RaftLog, &key).unwrap().unwrap();
        for at in 0..row.len() {
            let mut changed = row.clone();
            changed[at] ^= 1;
            change(&store, |batch| batch.put(Tree::RaftLog, key, changed));
            assert_says(&store, &format!("entry {index} cannot be read"));
            change(&store, |batch| batch.put(Tree::RaftLog, key, row[..at].to_vec()));
            assert_says(&store, &format!("entry {index} cannot be read"));
        }
        // The entry of another place is another entry.
        let other = store.snapshot().unwrap().get(Tree::RaftLog, &entry_key(1)).unwrap().unwrap();
        change(&store, |batch| batch.put(Tree::RaftLog, key, other));
        assert_says(&store, &format!("entry {index} cannot be read"));
        change(&store, |batch| batch.put(Tree::RaftLog, key, row));
        assert_eq!(complaint(&store), None);
    }
}

/// Of an older copy of the log, say: each row is sound by itself.
#[tokio::test]
async fn an_entry_of_an_earlier_term_does_not_follow_one_of_a_later_term() {
    let store = written().await;
    let later = LogPosition { term: 2, index: 3 };
    let row = write_row(&proposed(later, add(3, "a pin"), START));
    change(&store, |batch| batch.put(Tree::RaftLog, entry_key(3), row));
    assert_says(&store, "entry 4 is of an earlier term than the one before it");
}

#[tokio::test]
async fn what_the_log_stands_on_is_missed() {
    let store = written().await;
    change(&store, |batch| batch.delete(Tree::RaftState, VOTE));
    assert_says(&store, "the row vote is missing");
    change(&store, |batch| batch.put(Tree::RaftState, VOTE, vec![1, 2, 3]));
    assert_says(&store, "the row vote cannot be read");
    let store = written().await;
    change(&store, |batch| batch.delete(Tree::RaftState, END));
    assert_says(&store, "the row end is missing");
}

/// A truncated entry that comes back was never to be seen again.
#[tokio::test]
async fn an_entry_that_was_cut_off_does_not_come_back() {
    let store = written().await;
    let row = store.snapshot().unwrap().get(Tree::RaftLog, &entry_key(5)).unwrap().unwrap();
    let mut peer = Peer::open(Arc::new(store.clone())).await;
    peer.log.truncate_after(Some(log_id(at(3)))).await.unwrap();
    peer.stop().await;
    assert_eq!(complaint(&store), None);
    let row_4 = written().await.snapshot().unwrap().get(Tree::RaftLog, &entry_key(4)).unwrap().unwrap();
    change(&store, |batch| {
        batch.put(Tree::RaftLog, entry_key(4), row_4);
        batch.put(Tree::RaftLog, entry_key(5), row);
    });
    assert_says(&store, "the entries from 4 on were cut off");
}

/// What was purged is not missed, however far the deletion of its rows came.
#[tokio::test]
async fn what_was_purged_is_not_missed() {
    for upto in [0, 3, ENTRIES - 1, 40] {
        let store = written().await;
        let mut peer = Peer::open(Arc::new(store.clone())).await;
        peer.log.purge(log_id(at(upto))).await.unwrap();
        peer.stop().await;
        assert_eq!(complaint(&store), None, "purged up to {upto}");
    }
}

/// What was never flushed goes with the power, and the note of where the log ends with it.
#[tokio::test]
async fn an_unsynced_end_is_dropped() {
    let store = written().await;
    let mut peer = Peer::open(Arc::new(store.clone())).await;
    peer.log.truncate_after(Some(log_id(at(2)))).await.unwrap();
    let lazy = store.power_cut();
    assert_eq!(complaint(&lazy), None, "a truncation that was lost");
    assert_eq!(rows(&lazy, Tree::RaftLog).len() as u64, ENTRIES);
    peer.log.append([proposed(at(3), add(9, "another"), START)], IOFlushed::noop()).await.unwrap();
    peer.stop().await;
    assert_eq!(complaint(&store.power_cut()), None);
}

/// A snapshot that was all there when its installation began, and is damaged when that goes on.
#[tokio::test]
async fn a_damaged_part_of_a_snapshot_is_named() {
    let store = written().await;
    let row = AppliedRow::default();
    change(&store, |batch| {
        batch.put(Tree::RaftState, INSTALLING, row.encode());
        batch.put(Tree::RaftLog, spool_key(&Place::FIRST), vec![1, 2, 3]);
    });
    let opened = Peer::open_as(Arc::new(store), config(PeerId::random())).await;
    let Err(StateMachineError::Store(StoreError::DamagedRaft { detail })) = opened.map(drop) else {
        panic!("it is taken");
    };
    assert!(detail.contains("part 0 of a snapshot"), "{detail}");
}
