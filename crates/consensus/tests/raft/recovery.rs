//! A majority that is lost for good, and peers of other clusters.

use crate::{
    cluster::{Cluster, PATIENCE, until},
    failing::{add, pin},
};
use cluster_consensus::raft::{RecoverError, recover_from_lost_majority};
use cluster_core::{
    PeerId,
    ports::consensus::{BarrierError, MembershipError, RaftState, SubmitError},
};
use cluster_datastore::MemoryStore;
use std::time::Duration;

async fn named(cluster: &Cluster, number: usize) -> String {
    until("an id of the cluster", || async { cluster.members[number].node().cluster() }).await.to_string()
}

#[tokio::test]
async fn one_member_goes_on_after_the_others_are_lost() {
    let mut cluster = Cluster::start(1000).await;
    let leader = cluster.leader().await;
    let left = (leader + 1) % 3;
    for number in 0..30 {
        cluster.members[left].consensus().submit(add(number)).await.unwrap();
    }
    let before = named(&cluster, left).await;
    let lost: Vec<usize> = (0..3).filter(|number| *number != left).collect();
    let stores: Vec<MemoryStore> =
        lost.iter().map(|number| cluster.members[*number].store.power_cut()).collect();
    // Only what was flushed is left of it, too.
    let kept = cluster.members[left].store.power_cut();
    for number in 0..3 {
        cluster.stop_member(number).await;
    }
    cluster.members[left].store = kept;
    let local = cluster.members[left].peer;
    let recovered = recover_from_lost_majority(&cluster.members[left].store, local).unwrap();
    assert_eq!(recovered.left_out.len(), 2);
    assert!(recovered.last.unwrap().index >= 30);
    // What was decided survives a power cut.
    cluster.members[left].store = cluster.members[left].store.power_cut();
    cluster.start_member(left).await;
    cluster.becomes(left, RaftState::Leader).await;
    let node = cluster.members[left].node().clone();
    node.read_barrier(PATIENCE).await.unwrap();
    assert!(
        (0..30).all(|number| cluster.members[left].read(&pin(number).key()).is_some()),
        "a change is lost"
    );
    assert_eq!(node.members(), [local]);
    assert_ne!(named(&cluster, left).await, before);
    cluster.members[left].consensus().submit(add(100)).await.unwrap();
    // One of the lost returns with what it had: it has no say, and both sides say why.
    let returned = lost[0];
    cluster.members[returned].store = stores.into_iter().next().unwrap();
    cluster.start_member(returned).await;
    for number in [left, returned] {
        let failure =
            until("a complaint", || async { cluster.members[number].node().status().failure }).await;
        assert!(failure.contains("recovered from a lost majority"), "{failure}");
    }
    let peer = cluster.members[returned].peer;
    let refused = node.add_member(peer, PATIENCE).await;
    assert!(
        matches!(&refused, Err(MembershipError::Refused { cause, .. }) if cause.contains("state cleanup")),
        "{refused:?}"
    );
    assert_eq!(node.members(), [local], "it was not added");
    let term = node.status().term;
    let answer = cluster.members[returned].node().read_barrier(Duration::from_secs(1)).await;
    assert!(matches!(answer, Err(BarrierError::TimedOut { .. })), "{answer:?}");
    assert_eq!((node.status().term, node.status().state), (term, RaftState::Leader), "it was disturbed");
    // Emptied it is a new peer.
    cluster.stop_member(returned).await;
    cluster.members[returned].store = MemoryStore::new();
    cluster.start_member(returned).await;
    node.add_member(peer, PATIENCE).await.unwrap();
    cluster.members[returned].node().read_barrier(PATIENCE).await.unwrap();
    assert!(cluster.members[returned].read(&pin(100).key()).is_some());
    assert_eq!(named(&cluster, returned).await, named(&cluster, left).await);
    cluster.stop().await;
}

#[tokio::test]
async fn there_is_nothing_to_recover_in_an_empty_store() {
    let store = MemoryStore::new();
    let refused = recover_from_lost_majority(&store, PeerId::random());
    assert!(matches!(refused, Err(RecoverError::NoCluster)), "{refused:?}");
}

/// All members have one id, also one that came later, and a peer of another cluster cannot come in.
#[tokio::test]
async fn a_peer_of_another_cluster_is_refused() {
    let mut cluster = Cluster::start(1000).await;
    let leader = cluster.leader().await;
    let id = named(&cluster, leader).await;
    for number in 0..3 {
        assert_eq!(named(&cluster, number).await, id);
    }
    let stranger = cluster.newcomer().await;
    let peer = cluster.members[stranger].peer;
    cluster.members[stranger].node().initialize(&[peer]).await.unwrap();
    assert_ne!(named(&cluster, stranger).await, id);
    cluster.members[stranger].consensus().submit(add(9)).await.unwrap();
    let refused = cluster.members[leader].node().add_member(peer, PATIENCE).await;
    assert!(
        matches!(&refused, Err(MembershipError::Refused { cause, .. }) if cause.contains("data folder is of the cluster")),
        "{refused:?}"
    );
    assert_eq!(cluster.members[leader].node().members().len(), 3);
    let answer = cluster.members[leader].consensus().submit(add(1)).await;
    assert!(!matches!(answer, Err(SubmitError::Unknown { .. })), "{answer:?}");
    assert!(cluster.members[stranger].read(&pin(1).key()).is_none());
    for member in 0..4 {
        cluster.stop_member(member).await;
    }
}
