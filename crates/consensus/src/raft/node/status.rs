//! How this member stands.

use super::{Current, NodeId, RaftNode};
use cluster_core::ports::consensus::{RaftHealth, RaftMember, RaftState};
use openraft::{Instant as _, async_runtime::WatchReceiver as _};

impl RaftNode {
    /// Says how this member stands, out of memory.
    pub fn status(&self) -> RaftHealth {
        let mut health = RaftHealth {
            state: RaftState::Stopped,
            failure: self.caller.runs.complaint().or_else(|| self.caller.strangers.complaint()),
            leader: None,
            term: 0,
            is_ready: self.is_ready(),
            last: None,
            committed: None,
            applied: None,
            snapshot: None,
            purged: None,
            log_entries: 0,
            members: Vec::new(),
        };
        let instance = match &*self.current.borrow() {
            Current::Up(instance) => instance.clone(),
            Current::Down(cause) => {
                health.state = RaftState::Failed;
                health.failure = Some(cause.to_string());
                return health;
            }
            Current::Stopped => return health,
        };
        health.state = self.state_of(&instance);
        let metrics = instance.raft.metrics();
        let metrics = metrics.borrow_watched();
        health.leader = metrics.current_leader.map(|node| node.peer());
        health.term = metrics.current_term;
        health.last = metrics.last_log_index;
        health.committed = metrics.cluster_committed.map(|id| id.index);
        health.applied = instance.progress.borrow().map(|position| position.index);
        health.snapshot = metrics.snapshot.map(|id| id.index);
        health.purged = metrics.purged.map(|id| id.index);
        let end = |index: Option<u64>| index.map_or(0, |index| index + 1);
        health.log_entries = end(health.last).saturating_sub(end(health.purged));
        let member = |(peer, role)| {
            let node = NodeId::from(peer);
            let matched = metrics.replication.as_ref().and_then(|known| known.get(&node).copied().flatten());
            let heard = metrics.heartbeat.as_ref().and_then(|known| known.get(&node).copied().flatten());
            RaftMember {
                peer,
                role,
                lag: matched.map(|matched| end(health.last).saturating_sub(matched.index + 1)),
                heard: heard.map(|at| at.elapsed()),
            }
        };
        health.members = instance.roles().into_iter().map(member).collect();
        health
    }
}
