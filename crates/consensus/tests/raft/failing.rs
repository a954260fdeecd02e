//! Members that fail, come back, or were away for long.

use crate::cluster::{Cluster, until};
use cluster_core::{
    Pin, PinKey,
    ports::consensus::{AppliedOn, Operation, OperationKind, RequestId, SubmitError},
};
use std::collections::BTreeSet;

pub(crate) fn pin(number: u16) -> Pin {
    let [high, low] = number.to_be_bytes();
    Pin::new(PinKey::from_bytes(&[1, 0x55, 0, 2, high, low]).unwrap().cid())
}

pub(crate) fn add(number: u16) -> Operation {
    Operation::new(OperationKind::Pin(Box::new(pin(number))))
}

/// A change is kept by the members that are left when its leader is lost, and the leader has it when it comes back.
#[tokio::test]
async fn a_lost_leader_loses_nothing() {
    let mut cluster = Cluster::start(1000).await;
    for round in 0..3u16 {
        let leader = cluster.leader().await;
        let follower = (leader + 1) % 3;
        for number in 0..20 {
            let applied =
                cluster.members[follower].consensus().submit(add(round * 100 + number)).await.unwrap();
            assert_eq!(applied.durability, AppliedOn::Quorum);
        }
        let left = cluster.members[leader].store.power_cut();
        cluster.stop_member(leader).await;
        cluster.members[leader].store = left;
        cluster.working(follower).await;
        cluster.members[follower].consensus().submit(add(round * 100 + 50)).await.unwrap();
        cluster.start_member(leader).await;
        let key = pin(round * 100 + 50).key();
        until("the change on the member that was away", || async {
            cluster.members[leader].read(&key).map(|_| ())
        })
        .await;
        for number in (0..20).chain([50]) {
            let key = pin(round * 100 + number).key();
            assert!(cluster.members.iter().all(|member| member.read(&key).is_some()), "pin {number}");
        }
    }
    cluster.agree().await;
    cluster.stop().await;
}

/// A member whose entries are purged elsewhere gets a snapshot.
#[tokio::test]
async fn a_member_that_was_away_for_long_gets_a_snapshot() {
    let mut cluster = Cluster::start(40).await;
    let leader = cluster.leader().await;
    let away = (leader + 1) % 3;
    cluster.members[away].consensus().submit(add(999)).await.unwrap();
    let peer = cluster.members[away].peer;
    cluster.wires.cut_off(peer);
    let consensus = cluster.members[leader].consensus();
    for number in 0..300 {
        let request = RequestId::new(&format!("request {number}"));
        consensus.submit(Operation { request_id: request, ..add(number) }).await.unwrap();
    }
    let removal = Operation::new(OperationKind::Unpin(pin(999).key()));
    consensus.submit(removal).await.unwrap();
    let purged = cluster.members[leader].node().purged();
    assert!(purged > Some(100), "the log is still there: {purged:?}");
    cluster.wires.reconnect(peer);
    cluster.agree().await;
    until("a log that a snapshot took the place of", || async {
        (cluster.members[away].node().purged() > Some(100)).then_some(())
    })
    .await;
    assert!(cluster.members[away].read(&pin(999).key()).is_none());
    // What it repeats is known there, too: the snapshot has the requests.
    let request = RequestId::new("request 7");
    let again = cluster.members[away].consensus().submit(Operation { request_id: request, ..add(7) }).await;
    assert!(again.unwrap().repeated);
    cluster.power_cut(away).await;
    cluster.working(away).await;
    cluster.agree().await;
    cluster.stop().await;
}

/// Whatever ends while a snapshot is on its way, the member or whoever leads: no part of it comes twice.
#[tokio::test]
async fn a_snapshot_goes_on_where_it_was() {
    let mut cluster = Cluster::start(40).await;
    let away = (cluster.leader().await + 1) % 3;
    let peer = cluster.members[away].peer;
    cluster.stop_member(away).await;
    let consensus = cluster.members[cluster.leader().await].consensus();
    for number in 0..1500 {
        consensus.submit(add(number)).await.unwrap();
    }
    drop(consensus);
    let mut ends = 0;
    loop {
        cluster.wires.cut_off_after_parts(peer, 1);
        cluster.start_member(away).await;
        let before = cluster.wires.parts(peer).len();
        let is_cut = until("a part of a snapshot, or all of it", || async {
            let has_all = cluster.members[away].read(&pin(1499).key()).is_some();
            let is_cut = cluster.wires.is_cut_off(peer);
            (has_all || is_cut).then_some(is_cut)
        })
        .await;
        if !is_cut {
            break;
        }
        assert_eq!(cluster.wires.parts(peer).len(), before + 1);
        cluster.stop_member(away).await;
        cluster.wires.reconnect(peer);
        ends += 1;
        if ends % 2 == 0 {
            let leader = cluster.leader().await;
            cluster.stop_member(leader).await;
            cluster.start_member(leader).await;
        }
    }
    assert!(ends > 3, "it was cut off {ends} times");
    let parts = cluster.wires.parts(peer);
    let places: BTreeSet<_> = parts.iter().collect();
    assert_eq!(places.len(), parts.len(), "parts came twice");
    cluster.agree().await;
    cluster.stop().await;
}

/// Without a majority nothing is acknowledged.
#[tokio::test]
async fn a_minority_acknowledges_nothing() {
    let mut cluster = Cluster::start(1000).await;
    let leader = cluster.leader().await;
    for number in (0..3).filter(|number| *number != leader) {
        cluster.wires.cut_off(cluster.members[number].peer);
    }
    let answer = cluster.members[leader].consensus().submit(add(1)).await;
    assert!(matches!(answer, Err(SubmitError::Unknown { .. })), "{answer:?}");
    assert!(cluster.members.iter().all(|member| member.read(&pin(1).key()).is_none()));
    for member in &cluster.members {
        cluster.wires.reconnect(member.peer);
    }
    cluster.working(leader).await;
    cluster.agree().await;
    cluster.stop().await;
}
