//! Whoever changes the members.

use super::{peer, world::World};
use cluster_core::ports::consensus::{MembershipError, RaftRole};
use cluster_runtime::simulation::spawn_on;
use std::{sync::Arc, time::Duration};

/// How long a change may take.
const LIMIT: Duration = Duration::from_secs(8);

/// Changes the members, one after the other.
pub(super) async fn change(world: Arc<World>) {
    let changes = world.faults.member_changes;
    let gap = u64::try_from(world.faults.duration.as_millis()).unwrap_or(u64::MAX) / (changes + 1);
    for _ in 0..changes {
        let wait = world.millis(0..gap * 2);
        world.sleep_until_healed(wait).await;
        change_one(&world).await;
    }
}

async fn change_one(world: &Arc<World>) {
    let by = world.index(world.peers.len());
    let Some((host, _, serving)) = world.peers[by].serving() else { return };
    let roles = serving.node.roles();
    let voters = roles.iter().filter(|(_, role)| *role == RaftRole::Voter).count();
    let about = world.index(world.peers.len());
    let peer = world.peers[about].id;
    let role = roles.iter().find(|(known, _)| *known == peer).map(|(_, role)| *role);
    let kind = world.index(4);
    let node = serving.node.clone();
    drop(serving);
    type Done = Result<(), MembershipError>;
    let (what, done): (&str, cluster_runtime::Spawned<Done>) = match (role, kind) {
        (None, _) => ("adds", spawn_on(host, async move { node.add_member(peer, LIMIT).await })),
        (Some(RaftRole::Learner), 0) => {
            ("removes the learner", spawn_on(host, async move { node.remove_member(peer, LIMIT).await }))
        }
        (Some(RaftRole::Learner), _) => {
            ("promotes", spawn_on(host, async move { node.promote(peer, LIMIT).await }))
        }
        (Some(RaftRole::Voter), 0) => {
            let task = async move { node.transfer_leadership(peer, LIMIT).await };
            ("hands the leadership to", spawn_on(host, task))
        }
        (Some(RaftRole::Voter), 1) if voters > 2 => {
            ("demotes", spawn_on(host, async move { node.demote(peer, LIMIT).await }))
        }
        (Some(RaftRole::Voter), _) if voters > 2 => {
            ("removes", spawn_on(host, async move { node.remove_member(peer, LIMIT).await }))
        }
        (Some(RaftRole::Voter), _) => return,
    };
    world.say(|| format!("peer {by} {what} peer {about}"));
    let Ok(done) = done.await else { return };
    world.say(|| format!("peer {by} {what} peer {about}: {done:?}"));
    if done.is_err() {
        return;
    }
    world.summary().member_changes += 1;
    if what.starts_with("removes") && world.permille(700) {
        // It may be added again, with nothing.
        peer::stop(world, about, true).await;
    }
}
