//! Reads: when a peer's own store may be read, and what makes a read up to date.

use crate::{
    cluster::{Cluster, PATIENCE, until},
    failing::{add, pin},
};
use cluster_core::ports::consensus::{BarrierError, RaftState};
use std::time::Duration;

/// A barrier that cannot be passed ends then.
const SHORT: Duration = Duration::from_secs(2);

/// What was acknowledged anywhere is seen by a read after the barrier, on every member.
#[tokio::test]
async fn a_read_after_the_barrier_sees_what_was_acknowledged() {
    let mut cluster = Cluster::start(1000).await;
    let leader = cluster.leader().await;
    for number in 0..60u16 {
        let (writer, reader) = (usize::from(number) % 3, (usize::from(number) / 3) % 3);
        cluster.members[writer].consensus().submit(add(number)).await.unwrap();
        cluster.members[reader].consensus().read_barrier().await.unwrap();
        assert!(
            cluster.members[reader].read(&pin(number).key()).is_some(),
            "pin {number} of {writer} is not seen by {reader}; {leader} leads"
        );
    }
    cluster.stop().await;
}

/// A leader that lost its majority does not know what a new one acknowledged; neither does who follows it.
#[tokio::test]
async fn a_member_that_is_cut_off_passes_no_barrier() {
    let mut cluster = Cluster::start(1000).await;
    let old = cluster.leader().await;
    let (one, two) = ((old + 1) % 3, (old + 2) % 3);
    cluster.members[old].node().read_barrier(PATIENCE).await.unwrap();
    cluster.wires.cut_off(cluster.members[old].peer);
    until("another leader", || async {
        let leader = cluster.members[one].node().leader();
        (leader.is_some() && leader != Some(cluster.members[old].peer)).then_some(())
    })
    .await;
    cluster.working(two).await;
    cluster.members[two].consensus().submit(add(7)).await.unwrap();
    assert_eq!(cluster.members[old].node().leader(), Some(cluster.members[old].peer), "it still thinks so");
    assert!(cluster.members[old].read(&pin(7).key()).is_none());
    let passed = cluster.members[old].node().read_barrier(SHORT).await;
    assert!(matches!(passed, Err(BarrierError::TimedOut { .. })), "{passed:?}");
    cluster.members[one].node().read_barrier(PATIENCE).await.unwrap();
    assert!(cluster.members[one].read(&pin(7).key()).is_some());
    // Once it hears of the others again, it waits for what it lacks.
    cluster.wires.reconnect(cluster.members[old].peer);
    cluster.members[old].node().read_barrier(PATIENCE).await.unwrap();
    assert!(cluster.members[old].read(&pin(7).key()).is_some());
    cluster.agree().await;
    cluster.stop().await;
}

/// However many wait, the leader is asked a few times only.
#[tokio::test]
async fn barriers_share_a_round() {
    let mut cluster = Cluster::start(1000).await;
    let follower = (cluster.leader().await + 1) % 3;
    let node = cluster.members[follower].node().clone();
    let before = cluster.wires.read_indexes();
    let all = (0..500).map(|_| node.read_barrier(PATIENCE));
    let passed = futures_util::future::join_all(all).await;
    assert!(passed.iter().all(Result::is_ok));
    let rounds = cluster.wires.read_indexes() - before;
    assert!((1..=10).contains(&rounds), "{rounds} rounds for 500 reads");
    cluster.stop().await;
}

/// A round that is under way does not count for who comes after it began: something may have been acknowledged since.
#[tokio::test]
async fn a_round_that_began_before_is_of_no_use() {
    let mut cluster = Cluster::start(1000).await;
    let leader = cluster.leader().await;
    let (reader, writer) = ((leader + 1) % 3, (leader + 2) % 3);
    // Whoever is not ready makes rounds of its own.
    for member in &cluster.members {
        let mut ready = member.node().ready();
        tokio::time::timeout(PATIENCE, ready.wait_for(|ready| *ready)).await.unwrap().unwrap();
    }
    let before = cluster.wires.read_indexes();
    let held = cluster.wires.hold_answers(cluster.members[reader].peer);
    let node = cluster.members[reader].node().clone();
    let first = tokio::spawn({
        let node = node.clone();
        async move { node.read_barrier(PATIENCE).await }
    });
    held.answered().await;
    // The first round's answer is on its way. The reader lacks what is acknowledged now.
    cluster.members[writer].consensus().submit(add(3)).await.unwrap();
    let second = tokio::spawn(async move { node.read_barrier(PATIENCE).await });
    held.release();
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert!(cluster.members[reader].read(&pin(3).key()).is_some());
    assert_eq!(cluster.wires.read_indexes() - before, 2, "one round for both");
    cluster.stop().await;
}

/// After a power cut a peer's store lacks what was not flushed there; it is ready once it has it again.
#[tokio::test]
async fn a_peer_is_ready_once_it_has_what_it_had_shown() {
    let mut cluster = Cluster::start(1000).await;
    let leader = cluster.leader().await;
    let away = (leader + 1) % 3;
    cluster.members[away].consensus().submit(add(1)).await.unwrap();
    assert!(cluster.members[away].node().is_ready());
    let left = cluster.members[away].store.power_cut();
    cluster.stop_member(away).await;
    cluster.members[away].store = left;
    for number in 2..40 {
        cluster.members[leader].consensus().submit(add(number)).await.unwrap();
    }
    let peer = cluster.members[away].peer;
    cluster.wires.cut_off(peer);
    cluster.start_member(away).await;
    assert!(!cluster.members[away].node().is_ready(), "it knows nobody");
    let mut ready = cluster.members[away].node().ready();
    let early = tokio::time::timeout(SHORT, ready.wait_for(|ready| *ready)).await.is_ok();
    assert!(!early, "ready without a leader");
    cluster.wires.reconnect(peer);
    tokio::time::timeout(PATIENCE, ready.wait_for(|ready| *ready)).await.unwrap().unwrap();
    for number in 1..40 {
        assert!(cluster.members[away].read(&pin(number).key()).is_some(), "ready without pin {number}");
    }
    cluster.stop().await;
}

/// A cluster of one is its own majority.
#[tokio::test]
async fn a_single_member_reads_and_is_ready_again() {
    let mut cluster = Cluster::start_of(1, 1000).await;
    cluster.working(0).await;
    for round in 0..3 {
        cluster.members[0].consensus().submit(add(round)).await.unwrap();
        cluster.members[0].node().read_barrier(PATIENCE).await.unwrap();
        cluster.power_cut(0).await;
        let mut ready = cluster.members[0].node().ready();
        tokio::time::timeout(PATIENCE, ready.wait_for(|ready| *ready)).await.unwrap().unwrap();
        assert!((0..=round).all(|number| cluster.members[0].read(&pin(number).key()).is_some()));
    }
    cluster.becomes(0, RaftState::Leader).await;
    cluster.stop().await;
}

/// A leader that is back before anybody missed it does not know any more what it had acknowledged.
#[tokio::test]
async fn a_leader_that_returns_at_once_is_not_ready_with_less() {
    let mut cluster = Cluster::start(1000).await;
    for round in 0..4u16 {
        let leader = cluster.leader().await;
        let numbers = round * 100..round * 100 + 50;
        let consensus = cluster.members[leader].consensus();
        let all = numbers.clone().map(|number| consensus.submit(add(number)));
        assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
        drop(consensus);
        cluster.power_cut(leader).await;
        let mut ready = cluster.members[leader].node().ready();
        tokio::time::timeout(PATIENCE, ready.wait_for(|ready| *ready)).await.unwrap().unwrap();
        for number in numbers {
            assert!(cluster.members[leader].read(&pin(number).key()).is_some(), "ready without pin {number}");
        }
    }
    cluster.agree().await;
    cluster.stop().await;
}
