//! Members whose disk fails while they run.

use crate::{
    cluster::{Cluster, PATIENCE, until},
    failing::{add, pin},
    fault::Mode,
};
use cluster_core::ports::consensus::{RaftState, SubmitError};
use std::time::Duration;

/// A write that fails on either thread stops openraft; it starts again from the rows, and nothing is lost.
#[tokio::test]
async fn a_member_whose_disk_failed_once_goes_on() {
    for thread in ["raft-log", "pinset"] {
        for leads in [true, false] {
            let mut cluster = Cluster::start(1000).await;
            let leader = cluster.leader().await;
            let hit = if leads { leader } else { (leader + 1) % 3 };
            let other = (0..3).find(|number| *number != hit && *number != leader).unwrap();
            cluster.members[other].consensus().submit(add(1)).await.unwrap();
            let mut states = cluster.members[hit].node().state();
            let failed =
                tokio::spawn(
                    async move { states.wait_for(|state| *state == RaftState::Failed).await.is_ok() },
                );
            cluster.members[hit].fault.set(Mode::FailsOnce(thread));
            // Also while it happens nothing is lost that was acknowledged; others may be told that nobody knows.
            let mut acknowledged = vec![1];
            for number in 2..30 {
                match cluster.members[other].consensus().submit(add(number)).await {
                    Ok(_) => acknowledged.push(number),
                    Err(SubmitError::Unknown { .. } | SubmitError::Busy { .. }) => {}
                    Err(error) => panic!("{thread}, {number}: {error}"),
                }
            }
            assert!(
                tokio::time::timeout(PATIENCE, failed).await.unwrap().unwrap(),
                "{thread}: it never failed"
            );
            let mut ready = cluster.members[hit].node().ready();
            tokio::time::timeout(PATIENCE, ready.wait_for(|ready| *ready)).await.unwrap().unwrap();
            cluster.working(hit).await;
            assert!(cluster.members[hit].fault.recovered() > 0);
            cluster.members[hit].node().read_barrier(PATIENCE).await.unwrap();
            for number in acknowledged {
                assert!(cluster.members[hit].read(&pin(number).key()).is_some(), "{thread}: pin {number}");
            }
            cluster.agree().await;
            cluster.stop().await;
        }
    }
}

/// As long as its disk fails, a member takes nothing and shows nothing; the others go on without it.
#[tokio::test]
async fn a_member_whose_disk_fails_says_so() {
    let mut cluster = Cluster::start(1000).await;
    let leader = cluster.leader().await;
    let other = (leader + 1) % 3;
    cluster.members[leader].fault.set(Mode::Fails);
    let consensus = cluster.members[leader].consensus();
    let answer = tokio::spawn(async move { consensus.submit(add(1)).await });
    cluster.becomes(leader, RaftState::Failed).await;
    let answer = answer.await.unwrap();
    assert!(matches!(answer, Err(SubmitError::Unknown { .. } | SubmitError::Busy { .. })), "{answer:?}");
    let node = cluster.members[leader].node().clone();
    assert!(!node.is_ready());
    let failure = until("a cause", || async { node.status().failure }).await;
    assert!(!failure.is_empty());
    until("another leader", || async {
        let leads = cluster.members[other].node().leader()?;
        (leads != cluster.members[leader].peer).then_some(())
    })
    .await;
    cluster.working(other).await;
    cluster.members[other].consensus().submit(add(2)).await.unwrap();
    cluster.members[leader].fault.set(Mode::Works);
    cluster.working(leader).await;
    node.read_barrier(PATIENCE).await.unwrap();
    assert!(cluster.members[leader].read(&pin(2).key()).is_some());
    assert_eq!(node.status().failure, None);
    cluster.agree().await;
    cluster.stop().await;
}

/// A store that is exported refuses writes without having tried; neither a leader nor a follower stops for that.
#[tokio::test]
async fn a_busy_store_makes_nobody_stop() {
    let mut cluster = Cluster::start(1000).await;
    let leader = cluster.leader().await;
    cluster.members[leader].consensus().submit(add(1)).await.unwrap();
    // Where the log is busy, nothing reaches the pinset.
    let cases: [(usize, &'static [&'static str]); 4] = [
        (leader, &["raft-log", "pinset"]),
        (leader, &["pinset"]),
        ((leader + 1) % 3, &["raft-log", "pinset"]),
        ((leader + 1) % 3, &["pinset"]),
    ];
    for (busy, threads) in cases {
        let term = cluster.members[busy].node().status().term;
        cluster.members[busy].fault.set(Mode::Busy(threads));
        let consensus = cluster.members[busy].consensus();
        let waiting = tokio::spawn(async move { consensus.submit(add(2)).await });
        // Much longer than an election takes.
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(!waiting.is_finished(), "its own store does not have it yet");
        let status = cluster.members[busy].node().status();
        assert_eq!((status.failure, status.term), (None, term), "it stopped");
        cluster.members[busy].fault.set(Mode::Works);
        tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap();
        assert!(cluster.members[busy].read(&pin(2).key()).is_some());
        assert_eq!(cluster.members[busy].fault.recovered(), 0, "that is for failed stores");
    }
    cluster.agree().await;
    cluster.stop().await;
}
