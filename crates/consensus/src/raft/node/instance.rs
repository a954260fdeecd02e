//! One run of openraft, from what the store holds until it stops or fails.

use super::{
    super::{
        MachineParts, RaftLogStore, RaftStateMachine, StateMachineError, backend::RaftInput, codec,
        network::Network, position::LogPosition, snapshot::Spool, type_config::TypeConfig,
    },
    NodeId, RaftNode, StartRaftError,
};
use cluster_core::{
    PeerId,
    ports::consensus::{RaftRole, RaftState},
};
use cluster_runtime::{Pinset, WorkerThread};
use openraft::{Raft, ServerState, async_runtime::WatchReceiver as _};
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// openraft over this peer's stores.
pub(super) struct Instance {
    pub(super) local: PeerId,
    pub(super) raft: Raft<TypeConfig, RaftStateMachine>,
    pub(super) spool: Spool,
    pub(super) progress: watch::Receiver<Option<LogPosition>>,
}

/// An instance, and what has to end with it.
pub(super) struct Running {
    pub(super) instance: Arc<Instance>,
    log: WorkerThread,
    stopping: CancellationToken,
}

impl Running {
    /// Starts from what the store holds.
    pub(super) async fn open(node: &RaftNode, pinset: Pinset<RaftInput>) -> Result<Self, StartRaftError> {
        let store = node.store.clone();
        let opened = cluster_runtime::blocking(move || RaftLogStore::open(store)).await;
        let (log, thread) = opened.map_err(|_| StateMachineError::Stopping)??;
        let stopping = node.stop.child_token();
        let parts = MachineParts {
            store: node.store.clone(),
            pinset,
            log: log.clone(),
            waiters: node.waiters.clone(),
            identity: node.caller.identity.clone(),
            ready: node.ready.clone(),
            stopping: stopping.clone(),
        };
        let machine = RaftStateMachine::open(parts).await?;
        let (spool, progress) = (machine.spool(), machine.progress());
        let local = node.config.local;
        let network = Network(node.caller.clone());
        let raft = Raft::new(NodeId::from(local), node.settings.clone(), network, log, machine).await?;
        let instance = Arc::new(Instance { local, raft, spool, progress });
        Ok(Self { instance, log: thread, stopping })
    }

    /// Stops openraft, and waits until nothing of it writes to the store any more.
    pub(super) async fn close(self) {
        let Self { instance, log, stopping } = self;
        stopping.cancel();
        // A Raft that panicked is stopped as well, and has said so.
        let _ = instance.raft.shutdown().await;
        drop(instance);
        // Ends with the last of openraft's tasks, after writing what is on its way.
        if !log.wait().await {
            tracing::error!(target: "raft", "the thread of the log panicked");
        }
    }
}

impl Instance {
    /// Waits until openraft has ended by itself, and returns why.
    pub(super) async fn ended(&self) -> String {
        let mut metrics = self.raft.metrics();
        loop {
            let state = metrics.borrow_watched().running_state.clone();
            if let Err(fatal) = state {
                return fatal.to_string();
            }
            if metrics.changed().await.is_err() {
                let state = metrics.borrow_watched().running_state.clone();
                return state.err().map_or_else(|| "Raft panicked".to_owned(), |fatal| fatal.to_string());
            }
        }
    }

    pub(super) fn leader(&self) -> Option<PeerId> {
        self.raft.server_metrics().borrow_watched().current_leader.map(|node| node.peer())
    }

    /// Returns the members as this peer's log has them last, committed or not.
    pub(super) fn roles(&self) -> Vec<(PeerId, RaftRole)> {
        let metrics = self.raft.server_metrics();
        let members = metrics.borrow_watched().membership_config.clone();
        let voters: Vec<NodeId> = members.membership().voter_ids().collect();
        let role = |node: &NodeId| if voters.contains(node) { RaftRole::Voter } else { RaftRole::Learner };
        members.membership().nodes().map(|(node, _)| (node.peer(), role(node))).collect()
    }

    /// Returns where this peer's log names the members last.
    pub(super) fn members_since(&self) -> Option<LogPosition> {
        let metrics = self.raft.server_metrics();
        let members = metrics.borrow_watched().membership_config.clone();
        members.log_id().as_ref().map(codec::position)
    }

    /// Says what this peer is by its own log.
    pub(super) fn state(&self) -> RaftState {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let members = metrics.membership_config.membership();
        if members.nodes().next().is_none() {
            return RaftState::Waiting;
        }
        let is_member = members.get_node(&self.local.into()).is_some();
        let is_settled = metrics.committed_membership_config == metrics.membership_config;
        match metrics.state {
            ServerState::Leader => RaftState::Leader,
            ServerState::Learner | ServerState::Follower | ServerState::Candidate
                if !is_member && is_settled =>
            {
                RaftState::Removed
            }
            ServerState::Learner => RaftState::Learner,
            ServerState::Follower => RaftState::Follower,
            ServerState::Candidate => RaftState::Candidate,
            ServerState::Shutdown => RaftState::Stopped,
        }
    }

    /// Waits until the pinset has carried out an entry; false when this run carries out nothing any more.
    pub(super) async fn carried_out(&self, index: u64) -> bool {
        let mut progress = self.progress.clone();
        progress.wait_for(|applied| applied.is_some_and(|applied| applied.index >= index)).await.is_ok()
    }
}
