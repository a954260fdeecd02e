//! A running member: openraft over the stores of this peer and the calls to others.

mod incoming;
mod submitting;

use super::{
    NodeId, RaftLogStore, RaftStateMachine, StateMachineError, Waiters,
    backend::RaftInput,
    config::RaftConfig,
    log_store::OpenLogError,
    messages::{Answer, Request},
    network::Network,
    snapshot::{Spool, SpoolPlace},
    type_config::{ProposalBytes, TypeConfig},
};
use cluster_core::{
    PeerId,
    ports::{Datastore, RaftCalls},
};
use cluster_runtime::{Pinset, WorkerThread};
use openraft::{
    Raft,
    async_runtime::WatchReceiver as _,
    errors::{ClientWriteError, Fatal, InitializeError, RaftError},
    impls::EmptyNode,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio::sync::Semaphore;

/// Submissions on their way at once. More wait, and are told that the peer is busy when that takes long.
const SUBMISSIONS: usize = 8192;

/// Why a member does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartRaftError {
    /// The settings do not go together.
    #[error("the Raft settings do not go together")]
    Config(#[source] Box<openraft::ConfigError>),
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] OpenLogError),
    /// The pinset cannot be opened.
    #[error(transparent)]
    StateMachine(#[from] StateMachineError),
    /// openraft refuses what the store holds, or stopped.
    #[error("Raft does not start")]
    Raft(#[from] Fatal<TypeConfig>),
    /// The first members cannot be what was given.
    #[error("these cannot be the first members of the cluster")]
    Initialize(#[source] Box<InitializeError<TypeConfig>>),
}

/// What a member works with.
pub struct RaftParts {
    /// The store of this peer.
    pub store: Arc<dyn Datastore>,
    /// The writer of its pinset.
    pub pinset: Pinset<RaftInput>,
    /// Calls other members.
    pub calls: Arc<dyn RaftCalls>,
}

/// A running member.
pub struct RaftNode {
    config: RaftConfig,
    raft: Raft<TypeConfig, RaftStateMachine>,
    store: Arc<dyn Datastore>,
    calls: Arc<dyn RaftCalls>,
    waiters: Arc<Waiters>,
    places: Arc<Semaphore>,
    place: SpoolPlace,
    /// The snapshot that arrives, while nobody writes to it.
    incoming: Mutex<Option<(PeerId, Spool)>>,
}

impl std::fmt::Debug for RaftNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RaftNode").field("config", &self.config).finish_non_exhaustive()
    }
}

impl RaftNode {
    /// Starts a member on what its store holds. The thread writes the log and ends after [`RaftNode::stop`].
    ///
    /// # Errors
    /// When the store fails or holds what cannot be, or the settings do not go together.
    pub async fn start(
        config: RaftConfig,
        parts: RaftParts,
    ) -> Result<(Arc<Self>, WorkerThread), StartRaftError> {
        let settings = config.openraft().map_err(|error| StartRaftError::Config(Box::new(error)))?;
        let RaftParts { store, pinset, calls } = parts;
        let of_log = store.clone();
        let opened = tokio::task::spawn_blocking(move || RaftLogStore::open(of_log)).await;
        let (log, thread) = opened.map_err(|_| StateMachineError::Stopping)??;
        let waiters = Arc::new(Waiters::default());
        let machine = RaftStateMachine::open(store.clone(), pinset, log.clone(), waiters.clone()).await?;
        let place = machine.spool_place();
        let network = Network(calls.clone());
        let id = NodeId::from(config.local);
        let raft = Raft::new(id, Arc::new(settings), network, log, machine).await?;
        let places = Arc::new(Semaphore::new(SUBMISSIONS));
        let node = Self { config, raft, store, calls, waiters, places, place, incoming: Mutex::default() };
        Ok((Arc::new(node), thread))
    }

    /// Makes these peers the first members of a new cluster. Each of them may be told so, with the same peers; a peer that
    /// belongs to a cluster already stays what it is.
    ///
    /// # Errors
    /// When this peer is not among them, or Raft stopped.
    pub async fn initialize(&self, members: &[PeerId]) -> Result<(), StartRaftError> {
        let nodes: BTreeMap<NodeId, EmptyNode> =
            members.iter().map(|peer| (NodeId::from(*peer), EmptyNode::default())).collect();
        match self.raft.initialize(nodes).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(RaftError::APIError(error)) => Err(StartRaftError::Initialize(Box::new(error))),
            Err(RaftError::Fatal(error)) => Err(error.into()),
        }
    }

    /// Stops Raft; submissions on their way end as unknown. The threads of the log and of the writer are free to end then,
    /// whoever still holds this handle.
    pub async fn stop(&self) {
        // A Raft that panicked is stopped as well, and has said so.
        let _ = self.raft.shutdown().await;
        self.waiters.give_up("the peer is stopping");
    }

    /// Returns who leads, as far as this peer knows.
    pub fn leader(&self) -> Option<PeerId> {
        self.raft.server_metrics().borrow_watched().current_leader.map(|node| node.peer())
    }

    /// Returns the index up to which this peer's log is gone.
    pub fn purged(&self) -> Option<u64> {
        self.raft.data_metrics().borrow_watched().purged.map(|id| id.index)
    }

    /// Returns the members, learners included, sorted by their bytes.
    pub fn members(&self) -> Vec<PeerId> {
        let metrics = self.raft.server_metrics();
        let members = metrics.borrow_watched().membership_config.clone();
        members.membership().nodes().map(|(node, _)| node.peer()).collect()
    }
}
