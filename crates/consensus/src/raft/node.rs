//! A running member: openraft over the stores of this peer and the calls to others.

mod changing;
mod entering;
mod incoming;
mod instance;
mod leading;
mod reading;
mod status;
mod submitting;
mod supervisor;
mod twins;

use super::{
    NodeId, StateMachineError, Waiters,
    backend::RaftInput,
    caller::{Caller, Strangers},
    clocks::Clocks,
    cluster_id::{ClusterId, Identity},
    config::RaftConfig,
    log_store::OpenLogError,
    messages::{Answer, Request},
    readiness::Readiness,
    removed::Removed,
    runs::Runs,
    type_config::{ProposalBytes, TypeConfig},
};
use cluster_core::{
    PeerId,
    ports::{
        Datastore, RaftCalls,
        consensus::{RaftRole, RaftState},
    },
};
use cluster_runtime::{Pinset, Spawned, spawn};
use instance::{Instance, Running};
use openraft::{
    async_runtime::WatchReceiver as _,
    errors::{Fatal, InitializeError, RaftError},
    impls::EmptyNode,
};
use reading::Rounds;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// Submissions on their way at once. More wait, and are told that the peer is busy when that takes long.
const SUBMISSIONS: usize = 8192;

/// How long another peer may take to say which cluster it belongs to.
const GREETING: Duration = Duration::from_secs(2);

/// Pause before something is tried again that no leader took.
const TRY_AGAIN: Duration = Duration::from_millis(20);

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
    #[error("Raft does not start: {0}")]
    Raft(#[from] Fatal<TypeConfig>),
    /// The first members cannot be what was given.
    #[error("these cannot be the first members of the cluster")]
    Initialize(#[source] Box<InitializeError<TypeConfig>>),
    /// The store fails at the moment.
    #[error("Raft does not run: {cause}")]
    Down {
        /// Why.
        cause: String,
    },
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

/// What runs at the moment.
#[derive(Clone)]
enum Current {
    Up(Arc<Instance>),
    /// It failed because of this, and starts again.
    Down(Arc<str>),
    Stopped,
}

/// A running member. When its store or openraft fails, it starts again by itself, from what the store holds.
pub struct RaftNode {
    config: RaftConfig,
    settings: Arc<openraft::Config>,
    store: Arc<dyn Datastore>,
    caller: Caller,
    clocks: Clocks,
    waiters: Arc<Waiters>,
    places: Arc<Semaphore>,
    rounds: Rounds,
    current: watch::Sender<Current>,
    ready: Readiness,
    state: watch::Sender<RaftState>,
    stop: CancellationToken,
    /// Those that this peer was to begin a cluster with. It has to be told again when its store failed before it held them.
    first_members: OnceLock<Vec<PeerId>>,
    /// Told when a write failed that neither the log nor the pinset made.
    store_failed: Notify,
    /// Who sent something while this peer knew nothing of a cluster, and of which one.
    met: watch::Sender<Option<(PeerId, ClusterId)>>,
    tasks: Mutex<Vec<Spawned<()>>>,
}

impl std::fmt::Debug for RaftNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RaftNode").field("config", &self.config).finish_non_exhaustive()
    }
}

impl RaftNode {
    /// Starts a member on what its store holds. It runs until [`RaftNode::stop`], whoever still holds this handle.
    ///
    /// # Errors
    /// When the store fails or holds what cannot be, or the settings do not go together.
    pub async fn start(config: RaftConfig, parts: RaftParts) -> Result<Arc<Self>, StartRaftError> {
        let settings = config.openraft().map_err(|error| StartRaftError::Config(Box::new(error)))?;
        let RaftParts { store, pinset, calls } = parts;
        let (rounds, asked) = Rounds::new();
        let node = Arc::new(Self {
            config,
            settings: Arc::new(settings),
            store,
            caller: Caller {
                calls,
                removed: Removed::default(),
                identity: Identity::default(),
                strangers: Strangers::default(),
                runs: Runs::default(),
            },
            clocks: Clocks::default(),
            waiters: Arc::default(),
            places: Arc::new(Semaphore::new(SUBMISSIONS)),
            rounds,
            current: watch::Sender::new(Current::Down("it is starting".into())),
            ready: Readiness::default(),
            state: watch::Sender::new(RaftState::Waiting),
            stop: CancellationToken::new(),
            first_members: OnceLock::new(),
            store_failed: Notify::new(),
            met: watch::Sender::new(None),
            tasks: Mutex::default(),
        });
        let mut failures = pinset.failures();
        failures.mark_unchanged();
        let running = Running::open(&node, pinset.clone()).await?;
        node.current.send_replace(Current::Up(running.instance.clone()));
        let tasks = vec![
            spawn(supervisor::supervise(node.clone(), pinset, running, failures)),
            spawn(reading::answer_rounds(node.clone(), asked)),
            spawn(leading::lead_on(node.clone())),
            spawn(twins::tell(node.clone())),
            spawn(entering::enter(node.clone())),
        ];
        *node.tasks.lock().unwrap_or_else(PoisonError::into_inner) = tasks;
        Ok(node)
    }

    /// Makes these peers the first members of a new cluster. Each of them has to be told so, with the same peers: until then it
    /// has no vote. A peer that belongs to a cluster already stays what it is, and one that finds the others in a cluster waits
    /// until that takes it in.
    ///
    /// # Errors
    /// When this peer is not among them, or Raft stopped.
    pub async fn initialize(&self, members: &[PeerId]) -> Result<(), StartRaftError> {
        let instance = match &*self.current.borrow() {
            Current::Up(instance) => instance.clone(),
            Current::Down(cause) => return Err(StartRaftError::Down { cause: cause.to_string() }),
            Current::Stopped => return Err(Fatal::Stopped.into()),
        };
        self.begin(&instance, self.first_members.get_or_init(|| members.to_vec())).await
    }

    /// Makes these peers the first members, unless this one has any already.
    async fn begin(&self, instance: &Instance, members: &[PeerId]) -> Result<(), StartRaftError> {
        if let Some((peer, cluster)) = self.cluster_of_others(members).await {
            tracing::info!(target: "raft", %peer, %cluster, "the cluster is there already; waiting for its leader");
            return Ok(());
        }
        let nodes: BTreeMap<NodeId, EmptyNode> =
            members.iter().map(|peer| (NodeId::from(*peer), EmptyNode::default())).collect();
        match instance.raft.initialize(nodes).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(RaftError::APIError(error)) => Err(StartRaftError::Initialize(Box::new(error))),
            Err(RaftError::Fatal(error)) => Err(error.into()),
        }
    }

    /// Returns the cluster that one of these peers belongs to already.
    async fn cluster_of_others(&self, members: &[PeerId]) -> Option<(PeerId, ClusterId)> {
        let others = members.iter().filter(|peer| **peer != self.config.local);
        let asked = others.map(|peer| async move {
            match self.caller.call(*peer, &Request::Greet, GREETING).await {
                Ok(Answer::Greeting(cluster)) => cluster.map(|cluster| (*peer, cluster)),
                _ => None,
            }
        });
        futures_util::future::join_all(asked).await.into_iter().flatten().next()
    }

    /// Stops Raft; submissions on their way end as unknown. The thread of the log has ended then, and that of the writer is
    /// free to, whoever still holds this handle.
    pub async fn stop(&self) {
        self.stop.cancel();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            // What panicked is over as well, and has said so.
            let _ = task.await;
        }
        self.waiters.give_up("the peer is stopping");
    }

    /// Follows whether reads of this peer's store are ready: not older than anything that this peer acknowledged or showed
    /// before. It becomes so once this peer knows a leader and has carried out what was committed then, and ends when its
    /// store fails.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// Says whether reads of this peer's store are ready.
    pub fn is_ready(&self) -> bool {
        self.ready.is_ready()
    }

    /// Follows which peer two processes were last found to speak for.
    pub fn twins(&self) -> watch::Receiver<Option<PeerId>> {
        self.caller.runs.twins()
    }

    /// Follows what this peer is in its cluster.
    pub fn state(&self) -> watch::Receiver<RaftState> {
        self.state.subscribe()
    }

    /// Returns who leads, as far as this peer knows.
    pub fn leader(&self) -> Option<PeerId> {
        self.instance()?.leader()
    }

    /// Returns the index up to which this peer's log is gone.
    pub fn purged(&self) -> Option<u64> {
        self.instance()?.raft.data_metrics().borrow_watched().purged.map(|id| id.index)
    }

    /// Returns the members, learners included, sorted by their bytes.
    pub fn members(&self) -> Vec<PeerId> {
        self.roles().into_iter().map(|(peer, _)| peer).collect()
    }

    /// Returns the members and whether each votes, sorted by their bytes.
    pub fn roles(&self) -> Vec<(PeerId, RaftRole)> {
        self.instance().map(|instance| instance.roles()).unwrap_or_default()
    }

    /// Says whether this peer knows of no change of the members that is under way.
    pub fn is_settled(&self) -> bool {
        self.instance().is_some_and(|instance| instance.settled_members().is_some())
    }

    /// Returns the id of the cluster; `None` as long as this peer knows of none.
    pub fn cluster(&self) -> Option<ClusterId> {
        self.caller.identity.get()
    }

    /// Returns what runs; `None` while nothing does.
    fn instance(&self) -> Option<Arc<Instance>> {
        match &*self.current.borrow() {
            Current::Up(instance) => Some(instance.clone()),
            Current::Down(_) | Current::Stopped => None,
        }
    }

    /// Says why nobody is known to lead.
    fn no_leader(&self) -> String {
        match &*self.current.borrow() {
            Current::Up(_) => "no member leads the cluster: a majority has to be there".to_owned(),
            Current::Down(cause) => cause.to_string(),
            Current::Stopped => "the peer is stopping".to_owned(),
        }
    }

    /// Returns who leads, and what runs here; waits until somebody does.
    async fn wait_for_leader(&self, until: Instant) -> Option<(Arc<Instance>, PeerId)> {
        let waiting = async {
            let mut current = self.current.subscribe();
            loop {
                let now = current.borrow_and_update().clone();
                match now {
                    Current::Up(instance) => {
                        let mut metrics = instance.raft.server_metrics();
                        // A new receiver has seen nothing yet: it would hear of a change at once, again and again.
                        drop(metrics.borrow_and_update());
                        if let Some(leader) = instance.leader() {
                            return Some((instance, leader));
                        }
                        tokio::select! {
                            biased;
                            // Also when openraft is gone: what runs then changes soon.
                            changed = metrics.changed() => if changed.is_err() { current.changed().await.ok()? },
                            changed = current.changed() => changed.ok()?,
                        }
                    }
                    Current::Down(_) => current.changed().await.ok()?,
                    Current::Stopped => return None,
                }
            }
        };
        tokio::time::timeout_at(until, waiting).await.ok().flatten()
    }

    /// Returns the answer when this peer cannot get one from the cluster any more.
    fn is_removed(&self) -> bool {
        *self.state.borrow() == RaftState::Removed
    }
}
