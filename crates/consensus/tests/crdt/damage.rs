//! Every kind of damage to the stored rows is found.

use super::replica::{Replica, announced, cid};
use cluster_consensus::crdt::{BlockId, CrdtInput, Packing};
use cluster_core::{
    Pin, PinKey, UnixSeconds,
    pinset::{Input, TrackedState, TrackerInput, read},
    ports::{
        Datastore,
        consensus::{Operation, OperationKind, RequestId},
        datastore::{Batch, Durability, Tree},
    },
};
use std::sync::Arc;

/// A store with at least one row in every tree that is in use.
fn full() -> Replica {
    let mut other = Replica::new(Packing::Immediate);
    let old = announced(&other.pin(&cid(1), "theirs"));
    let mid = announced(&other.pin(&cid(2), "theirs"));
    let new = announced(&other.pin(&cid(3), "theirs"));
    let mut replica = Replica::new(Packing::Immediate);
    replica.merge(&other.block(&old));
    // A second element beside the winner, a tombstone, an allocated pin that expires, and a remote one.
    replica.pin(&cid(1), "ours");
    replica.pin(&cid(4), "gone");
    replica.unpin(&cid(4));
    let submit = |replica: &mut Replica, pin: Pin, id: Option<&str>| {
        let mut operation = Operation::new(OperationKind::Pin(Box::new(pin)));
        operation.request_id = id.and_then(RequestId::new);
        replica.writer.stage(Input::Submit(Box::new(operation)), replica.now);
        replica.commit();
    };
    let mut here = Pin::new(cid(5));
    here.options.replication = cluster_core::ReplicationFactors { min: 1, max: 1 };
    here.allocations = vec![replica.local];
    here.options.expire_at = Some(UnixSeconds(2_000_000_000));
    submit(&mut replica, here.clone(), Some("request"));
    let mut remote = Pin::new(cid(6));
    remote.options.replication = here.options.replication;
    remote.allocations = vec!["12D3KooWRmuMWTCRDPJgU6Lhgovh16Mc6pUAeynoz9uii3NSraDu".parse().unwrap()];
    submit(&mut replica, remote, None);
    let snapshot = replica.store.snapshot().unwrap();
    let row = read::tracker_row(&*snapshot, &PinKey::from_cid(&cid(5))).unwrap().unwrap();
    drop(snapshot);
    replica.writer.stage(
        Input::Tracker(TrackerInput::Failed {
            key: PinKey::from_cid(&cid(5)),
            revision: row.revision,
            error: "no".to_owned(),
            next_attempt: replica.now,
        }),
        replica.now,
    );
    replica.commit();
    // An open walk with a block here and one missing, and two operations that wait.
    replica.merge(&other.block(&new));
    let _ = mid;
    replica.tell(CrdtInput::SetPacking(Packing::Deferred));
    replica.pin(&cid(7), "waits");
    replica.unpin(&cid(6));
    assert_eq!(replica.mismatches(), Vec::<String>::new());
    replica
}

const TREES: [Tree; 17] = [
    Tree::Pins,
    Tree::ByPeer,
    Tree::ByExpiry,
    Tree::Tracker,
    Tree::ByStatus,
    Tree::ByNextAttempt,
    Tree::Counters,
    Tree::Requests,
    Tree::Events,
    Tree::Fingerprint,
    Tree::Elements,
    Tree::Tombstones,
    Tree::Heads,
    Tree::Merged,
    Tree::Blocks,
    Tree::Frontier,
    Tree::Pending,
];

fn damaged(replica: &Replica, change: impl FnOnce(&mut Batch)) -> Replica {
    let store = Arc::new(replica.store.power_cut());
    let mut batch = Batch::new();
    change(&mut batch);
    store.commit(batch, Durability::Flushed).unwrap();
    Replica::open(store, Packing::Immediate)
}

#[test]
fn a_row_lost_from_any_tree_is_found() {
    let replica = full();
    for tree in TREES {
        let rows = replica.rows(tree);
        assert!(!rows.is_empty(), "{tree:?} has no row to lose");
        for (key, _) in rows {
            let store = damaged(&replica, |batch| batch.delete(tree, key.clone()));
            let found = store.mismatches();
            assert!(!found.is_empty(), "{tree:?} {}", hex::encode(&key));
        }
    }
}

#[test]
fn a_row_altered_in_any_tree_is_found() {
    let replica = full();
    for tree in TREES {
        for (key, row) in replica.rows(tree) {
            if row.is_empty() {
                continue;
            }
            // Another version, and another end.
            let mut version = row.clone();
            version[0] ^= 0x40;
            let mut end = row.clone();
            *end.last_mut().unwrap() ^= 0x01;
            for altered in [version, end] {
                let store = damaged(&replica, |batch| batch.put(tree, key.clone(), altered.clone()));
                let found = store.mismatches();
                // What only this row says cannot be checked: times, texts, hashes, numbers of walks that
                // ended, the value of an add that waits.
                let free = matches!(tree, Tree::Tracker | Tree::Events | Tree::Requests | Tree::Pending)
                    || matches!(tree, Tree::Frontier | Tree::Merged)
                    || (tree == Tree::Pins && key == PinKey::from_cid(&cid(7)).as_bytes());
                assert!(
                    !found.is_empty() || (free && altered[0] == row[0]),
                    "{tree:?} {}",
                    hex::encode(&key)
                );
            }
        }
    }
}

#[test]
fn a_row_too_many_is_found_in_every_derived_tree() {
    let replica = full();
    let key = PinKey::from_cid(&cid(200));
    let element = [key.as_bytes(), &[7; 32]].concat();
    let time = [&[0; 8], key.as_bytes()].concat();
    let peer = cluster_core::pinset::mutation::peer_key(&replica.local, &key);
    let missing = [b"m".as_slice(), &[9; 32]].concat();
    let rows: [(Tree, Vec<u8>); 12] = [
        (Tree::ByPeer, peer),
        (Tree::ByExpiry, time.clone()),
        (Tree::ByNextAttempt, time),
        (Tree::ByStatus, [&[TrackedState::Pinned.number()], key.as_bytes()].concat()),
        (Tree::Pins, key.as_bytes().to_vec()),
        (Tree::Tracker, key.as_bytes().to_vec()),
        (Tree::Elements, element.clone()),
        (Tree::Tombstones, element),
        (Tree::Heads, vec![7; 32]),
        (Tree::Merged, vec![7; 32]),
        (Tree::Frontier, missing),
        (Tree::Counters, b"totals".to_vec()),
    ];
    for (tree, key) in rows {
        let found = damaged(&replica, |batch| batch.put(tree, key.clone(), vec![1, 1])).mismatches();
        assert!(!found.is_empty(), "{tree:?}");
    }
}

#[test]
fn many_mismatches_are_counted_and_a_hundred_listed() {
    let replica = full();
    let store = damaged(&replica, |batch| {
        for n in 0..300u16 {
            batch.put(Tree::Heads, BlockId::of(&n.to_be_bytes()).0, vec![1, 1]);
        }
    });
    let report = cluster_consensus::crdt::check::check(&*store.store).unwrap();
    assert_eq!((report.mismatches.len(), report.total_mismatches()), (100, 300));
    assert!(report.mismatches[0].starts_with("Heads "));
    assert!(report.to_string().ends_with("300 mismatches"));
}
