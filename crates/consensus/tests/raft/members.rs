//! Members that come, go, and hand the leadership over.

use crate::{
    cluster::{Cluster, PATIENCE, until},
    failing::{add, pin},
};
use cluster_core::ports::consensus::{BarrierError, MembershipError, RaftRole, RaftState, SubmitError};
use std::time::Duration;

/// Time for an attempt that has to fail.
const BRIEF: Duration = Duration::from_secs(2);

fn role(cluster: &Cluster, seen_by: usize, of: usize) -> Option<RaftRole> {
    let roles = cluster.members[seen_by].node().roles();
    roles.into_iter().find(|(peer, _)| *peer == cluster.members[of].peer).map(|(_, role)| role)
}

/// A new peer is added by a member that does not lead, has everything, and counts; also when it needs a snapshot.
#[tokio::test]
async fn a_new_peer_becomes_a_voter() {
    for log_kept in [1000, 40] {
        let mut cluster = Cluster::start(log_kept).await;
        let leader = cluster.leader().await;
        let follower = (leader + 1) % 3;
        for number in 0..200 {
            cluster.members[leader].consensus().submit(add(number)).await.unwrap();
        }
        let new = cluster.newcomer().await;
        assert_eq!(cluster.members[new].node().status().state, RaftState::Waiting);
        assert!(!cluster.members[new].node().is_ready());
        let peer = cluster.members[new].peer;
        cluster.members[follower].node().add_member(peer, PATIENCE).await.unwrap();
        assert_eq!(role(&cluster, follower, new), Some(RaftRole::Voter), "who asked sees it");
        cluster.becomes(new, RaftState::Follower).await;
        cluster.members[new].node().read_barrier(PATIENCE).await.unwrap();
        assert!((0..200).all(|number| cluster.members[new].read(&pin(number).key()).is_some()));
        assert!(cluster.members[new].node().is_ready());
        // A voter already: nothing is written.
        let before = cluster.members[leader].node().status().last;
        cluster.members[follower].node().add_member(peer, PATIENCE).await.unwrap();
        assert_eq!(cluster.members[leader].node().status().last, before);
        // It counts: with it there is a majority of the four.
        cluster.stop_member(follower).await;
        cluster.members[new].consensus().submit(add(300)).await.unwrap();
        cluster.start_member(follower).await;
        cluster.agree().await;
        cluster.stop().await;
    }
}

/// A peer that nobody reaches becomes no voter, which would cost a majority; the call can be repeated.
#[tokio::test]
async fn a_peer_that_does_not_catch_up_gets_no_vote() {
    let mut cluster = Cluster::start(1000).await;
    let leader = cluster.leader().await;
    let new = cluster.newcomer().await;
    let peer = cluster.members[new].peer;
    cluster.wires.cut_off(peer);
    let added = cluster.members[leader].node().add_member(peer, Duration::from_secs(2)).await;
    assert_eq!(added, Err(MembershipError::NotCaughtUp { peer, lag: None }));
    assert_eq!(role(&cluster, leader, new), Some(RaftRole::Learner));
    cluster.wires.reconnect(peer);
    cluster.members[leader].node().add_member(peer, PATIENCE).await.unwrap();
    assert_eq!(role(&cluster, leader, new), Some(RaftRole::Voter));
    cluster.stop().await;
}

#[tokio::test]
async fn a_voter_loses_its_vote_and_gets_it_back() {
    let mut cluster = Cluster::start(1000).await;
    let leader = cluster.leader().await;
    let (one, two) = ((leader + 1) % 3, (leader + 2) % 3);
    let peer = cluster.members[one].peer;
    let asked = cluster.members[two].node().clone();
    asked.demote(peer, PATIENCE).await.unwrap();
    cluster.becomes(one, RaftState::Learner).await;
    assert_eq!(role(&cluster, two, one), Some(RaftRole::Learner));
    let refused = asked.transfer_leadership(peer, PATIENCE).await;
    assert_eq!(refused, Err(MembershipError::NotVoter { peer }));
    cluster.members[one].consensus().submit(add(1)).await.unwrap();
    cluster.members[one].node().read_barrier(PATIENCE).await.unwrap();
    asked.promote(peer, PATIENCE).await.unwrap();
    cluster.becomes(one, RaftState::Follower).await;
    // The leader loses its vote: another one leads then.
    let peer = cluster.members[leader].peer;
    cluster.members[leader].node().demote(peer, PATIENCE).await.unwrap();
    cluster.becomes(leader, RaftState::Learner).await;
    assert_ne!(cluster.leader().await, leader);
    cluster.members[leader].consensus().submit(add(2)).await.unwrap();
    cluster.agree().await;
    cluster.stop().await;
}

/// Who is removed sees it, asks for nothing any more, and the others go on; also when it led.
#[tokio::test]
async fn a_removed_member_sees_it() {
    for leads in [false, true] {
        let mut cluster = Cluster::start(1000).await;
        let leader = cluster.leader().await;
        let gone = if leads { leader } else { (leader + 1) % 3 };
        let asked = (0..3).find(|number| *number != gone).unwrap();
        let peer = cluster.members[gone].peer;
        cluster.members[asked].node().remove_member(peer, PATIENCE).await.unwrap();
        cluster.becomes(gone, RaftState::Removed).await;
        assert_eq!(role(&cluster, asked, gone), None);
        // It is none already.
        cluster.members[asked].node().remove_member(peer, PATIENCE).await.unwrap();
        let refused = cluster.members[gone].consensus().submit(add(1)).await;
        assert!(matches!(refused, Err(SubmitError::Busy { .. })), "{refused:?}");
        let read = cluster.members[gone].node().read_barrier(PATIENCE).await;
        assert_eq!(read, Err(BarrierError::Removed));
        cluster.working(asked).await;
        cluster.members[asked].consensus().submit(add(2)).await.unwrap();
        // Quiet: the others' term does not grow, however long it waits.
        let term = cluster.members[asked].node().status().term;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(cluster.members[asked].node().status().term, term);
        assert!(cluster.members[gone].read(&pin(2).key()).is_none(), "it is sent nothing");
        // It comes back as it went.
        cluster.members[asked].node().add_member(peer, PATIENCE).await.unwrap();
        cluster.becomes(gone, RaftState::Follower).await;
        cluster.members[gone].node().read_barrier(PATIENCE).await.unwrap();
        assert!(cluster.members[gone].read(&pin(2).key()).is_some());
        cluster.agree().await;
        cluster.stop().await;
    }
}

/// Who was away when it was removed learns of it from whoever it asks for a vote.
#[tokio::test]
async fn a_member_that_was_away_learns_that_it_was_removed() {
    let mut cluster = Cluster::start_of(4, 1000).await;
    let leader = cluster.leader().await;
    let gone = (leader + 1) % 4;
    let peer = cluster.members[gone].peer;
    cluster.stop_member(gone).await;
    cluster.members[leader].node().remove_member(peer, PATIENCE).await.unwrap();
    cluster.members[leader].consensus().submit(add(1)).await.unwrap();
    // The leader that it knows is gone as well: it can only stand for election.
    cluster.stop_member(leader).await;
    cluster.working((leader + 2) % 4).await;
    cluster.start_member(gone).await;
    cluster.becomes(gone, RaftState::Removed).await;
    assert!(!cluster.members[gone].node().is_ready(), "it knows nothing of what came since");
    cluster.stop().await;
}

/// Without a majority of those that would be left, the change could be neither ended nor taken back.
#[tokio::test]
async fn a_voter_without_whom_nothing_could_be_decided_stays() {
    let mut cluster = Cluster::start(1000).await;
    let leader = cluster.leader().await;
    let (away, needed) = ((leader + 1) % 3, (leader + 2) % 3);
    cluster.stop_member(away).await;
    let node = cluster.members[leader].node().clone();
    let (peer, missing) = (cluster.members[needed].peer, cluster.members[away].peer);
    for done in [node.remove_member(peer, BRIEF).await, node.demote(peer, BRIEF).await] {
        let Err(MembershipError::TimedOut { cause }) = done else { panic!("{done:?}") };
        assert!(cause.contains("only 1 of the 2 voters"), "{cause}");
        assert!(cause.contains(&missing.to_string()), "{cause}");
    }
    // Nothing was changed: changes are taken as before.
    assert_eq!(role(&cluster, leader, needed), Some(RaftRole::Voter));
    cluster.members[leader].consensus().submit(add(1)).await.unwrap();
    cluster.start_member(away).await;
    node.remove_member(peer, PATIENCE).await.unwrap();
    cluster.becomes(needed, RaftState::Removed).await;
    cluster.members[leader].consensus().submit(add(2)).await.unwrap();
    cluster.stop().await;
}

#[tokio::test]
async fn the_last_voter_stays() {
    let mut cluster = Cluster::start(1000).await;
    let leader = cluster.leader().await;
    let (one, two) = ((leader + 1) % 3, (leader + 2) % 3);
    cluster.members[one].node().leave(PATIENCE).await.unwrap();
    cluster.becomes(one, RaftState::Removed).await;
    // The leader leaves: the other one leads, alone.
    cluster.members[leader].node().leave(PATIENCE).await.unwrap();
    cluster.becomes(leader, RaftState::Removed).await;
    cluster.becomes(two, RaftState::Leader).await;
    let peer = cluster.members[two].peer;
    let node = cluster.members[two].node();
    assert_eq!(node.leave(PATIENCE).await, Err(MembershipError::LastVoter { peer }));
    assert_eq!(node.demote(peer, PATIENCE).await, Err(MembershipError::LastVoter { peer }));
    let other = cluster.members[one].peer;
    assert_eq!(node.promote(other, PATIENCE).await, Err(MembershipError::NotMember { peer: other }));
    cluster.members[two].consensus().submit(add(1)).await.unwrap();
    assert_eq!(node.members(), [peer]);
    cluster.stop().await;
}

#[tokio::test]
async fn the_leadership_is_handed_over() {
    let mut cluster = Cluster::start(1000).await;
    for _ in 0..3 {
        let leader = cluster.leader().await;
        let (asked, next) = ((leader + 1) % 3, (leader + 2) % 3);
        let peer = cluster.members[next].peer;
        cluster.members[asked].node().transfer_leadership(peer, PATIENCE).await.unwrap();
        cluster.becomes(next, RaftState::Leader).await;
        cluster.members[asked].node().transfer_leadership(peer, PATIENCE).await.unwrap();
        assert_eq!(cluster.leader().await, next);
        cluster.members[leader].consensus().submit(add(1)).await.unwrap();
    }
    cluster.agree().await;
    cluster.stop().await;
}

/// Nobody has to miss a leader that is about to stop.
#[tokio::test]
async fn a_leader_steps_aside_while_there_is_somebody_else() {
    let mut cluster = Cluster::start(1000).await;
    let leader = cluster.leader().await;
    let (one, two) = ((leader + 1) % 3, (leader + 2) % 3);
    assert!(!cluster.members[one].node().step_aside(PATIENCE).await, "it does not lead");
    let term = cluster.members[leader].node().status().term;
    assert!(cluster.members[leader].node().step_aside(PATIENCE).await);
    let next = cluster.leader().await;
    assert_ne!(next, leader);
    assert_eq!(cluster.members[next].node().status().term, term + 1, "nobody stood for election by itself");
    cluster.stop_member(leader).await;
    cluster.members[next].consensus().submit(add(1)).await.unwrap();
    cluster.stop_member(if next == one { two } else { one }).await;
    assert!(!cluster.members[next].node().step_aside(BRIEF).await, "nobody could take it");
    cluster.stop().await;
}

/// A member that lacks a majority cannot change anything, and says so.
#[tokio::test]
async fn without_a_majority_no_member_comes_or_goes() {
    let mut cluster = Cluster::start(1000).await;
    let leader = cluster.leader().await;
    let (one, two) = ((leader + 1) % 3, (leader + 2) % 3);
    cluster.stop_member(one).await;
    cluster.stop_member(two).await;
    let lost = cluster.members[one].peer;
    let removed = cluster.members[leader].node().remove_member(lost, Duration::from_secs(3)).await;
    assert!(matches!(removed, Err(MembershipError::TimedOut { .. })), "{removed:?}");
    cluster.start_member(one).await;
    cluster.start_member(two).await;
    cluster.working(leader).await;
    cluster.agree().await;
    cluster.stop().await;
}

/// How members stand, as one of them sees it.
#[tokio::test]
async fn the_status_says_how_members_stand() {
    let mut cluster = Cluster::start(40).await;
    let leader = cluster.leader().await;
    for number in 0..150 {
        cluster.members[leader].consensus().submit(add(number)).await.unwrap();
    }
    let node = cluster.members[leader].node().clone();
    let away = (leader + 1) % 3;
    cluster.stop_member(away).await;
    for number in 150..170 {
        cluster.members[leader].consensus().submit(add(number)).await.unwrap();
    }
    let status = until("figures of all members", || async {
        let status = node.status();
        (status.applied == status.last && status.members.iter().all(|member| member.lag.is_some()))
            .then_some(status)
    })
    .await;
    assert_eq!((status.state, status.leader), (RaftState::Leader, Some(cluster.members[leader].peer)));
    assert!(status.is_ready && status.term > 0 && status.failure.is_none());
    assert!(status.last > Some(170) && status.committed == status.last && status.snapshot > Some(100));
    assert_eq!(status.log_entries, status.last.unwrap() - status.purged.unwrap());
    for member in &status.members {
        assert_eq!(member.role, RaftRole::Voter);
        let is_away = member.peer == cluster.members[away].peer;
        assert_eq!(member.lag >= Some(20), is_away, "{member:?}");
    }
    let follower = (leader + 2) % 3;
    let seen = cluster.members[follower].node().status();
    assert_eq!((seen.state, seen.leader), (RaftState::Follower, status.leader));
    assert!(seen.members.iter().all(|member| member.lag.is_none()), "only a leader knows");
    assert_eq!(
        cluster.members[follower].consensus().raft_health().map(|health| health.term),
        Some(status.term)
    );
    cluster.start_member(away).await;
    cluster.agree().await;
    cluster.stop().await;
}
