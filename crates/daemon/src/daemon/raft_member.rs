//! A member of a Raft cluster from its first moment to its last (api §10.10, §12.5).

use super::{DaemonError, joining::Bootstrap};
use crate::command::Prepared;
use cluster_consensus::raft::RaftNode;
use cluster_core::{
    PeerId,
    ports::{Network, consensus::RaftState},
};
use std::{sync::Arc, time::Duration};

/// How much longer than for a leader a peer waits before it tells that it is not ready.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long leaving the cluster may take at the end.
const LEAVE_LIMIT: Duration = Duration::from_secs(8);

/// How long handing the leadership over may take at the end: without, the others would miss a leader as long as if it had died.
const STEP_ASIDE_LIMIT: Duration = Duration::from_secs(2);

/// Makes a peer without a past a member of a new cluster, unless it is to join one that there is. A past always wins.
pub(super) async fn begin(
    raft: &RaftNode,
    prepared: &Prepared,
    bootstrap: &Bootstrap,
) -> Result<(), DaemonError> {
    let Some(config) = prepared.config.consensus.raft().filter(|_| bootstrap.addresses.is_empty()) else {
        return Ok(());
    };
    let local = prepared.identity.id();
    let others = config.init_peerset.iter().copied().filter(|peer| *peer != local);
    let members: Vec<PeerId> = std::iter::once(local).chain(others).collect();
    Ok(raft.initialize(&members).await?)
}

/// Tells when the pinset of a peer is fit to be read, or that it is not; ends when the peer is no member any more.
pub(super) async fn watch(raft: Arc<RaftNode>, leader_wait: Duration) {
    let (mut ready, mut state) = (raft.ready(), raft.state());
    let limit = leader_wait + PATIENCE;
    match tokio::time::timeout(limit, ready.wait_for(|ready| *ready)).await {
        Ok(_) => tracing::info!(target: "raft", "the pinset is ready to be read"),
        Err(_) if matches!(*state.borrow(), RaftState::Waiting) => tracing::warn!(
            target: "raft",
            "this peer is no member of a cluster after {}s: it waits until one takes it in. Start it with --bootstrap and the \
             address of a member",
            limit.as_secs()
        ),
        Err(_) => tracing::error!(
            target: "raft",
            "no leader was found within {}s, so the pinset can be neither read nor changed; trying on. More than half of the \
             members have to run and to reach each other: look at their logs, at their addresses (peerstore) and at the secret. \
             When they are lost for good: `state raft recover-from-lost-majority`",
            limit.as_secs()
        ),
    }
    // An error says that the member itself has stopped.
    if let Ok(gone) = state.wait_for(|state| matches!(state, RaftState::Removed | RaftState::Stopped)).await
        && matches!(*gone, RaftState::Removed)
    {
        tracing::warn!(target: "cluster", "this peer was removed from the cluster: it stops, and its state is put aside");
    }
}

/// Tells of peers that two processes speak for, and where those may be.
pub(super) async fn tell_of_twins(raft: Arc<RaftNode>, network: Arc<dyn Network>) {
    let mut twins = raft.twins();
    while twins.changed().await.is_ok() {
        let Some(peer) = *twins.borrow_and_update() else { continue };
        let addresses: Vec<String> = network.addresses_of(&peer).iter().map(ToString::to_string).collect();
        tracing::error!(
            target: "cluster", %peer, addresses = addresses.join(", "),
            "two processes run with one identity, at some of these addresses: end one of them, give its folder another identity (`init`), \
             and restart the other"
        );
    }
}

/// Whether a peer that has stopped is a member of its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// It is what it was.
    Kept,
    /// It left, or was removed: what it knows belongs to nobody.
    Lost,
}

/// Leaves the cluster at the end, where that is wanted; whoever stays a member and leads it has another one lead before.
pub(super) async fn leave(raft: &RaftNode, wanted: bool) -> Membership {
    let state = *raft.state().borrow();
    match state {
        RaftState::Removed => return Membership::Lost,
        RaftState::Waiting | RaftState::Stopped => return Membership::Kept,
        _ if !wanted => {
            raft.step_aside(STEP_ASIDE_LIMIT).await;
            return Membership::Kept;
        }
        _ => {}
    }
    match raft.leave(LEAVE_LIMIT).await {
        Ok(()) => {
            tracing::info!(target: "cluster", "left the cluster");
            Membership::Lost
        }
        Err(error) => {
            tracing::error!(target: "cluster", %error, "could not leave the cluster: it counts this peer as a member still");
            Membership::Kept
        }
    }
}
