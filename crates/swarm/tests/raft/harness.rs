//! Swarms on free ports of this machine, and members that answer.

use cluster_core::{
    Cid, ClusterSecret, Metric, Multiaddr, PeerId,
    ports::{
        BlockSource, BoxFuture, RaftAnswers, SwarmListener,
        raft::RaftRefusal,
        swarm::{PeerEvent, Verdict},
    },
};
use cluster_swarm::{ConnectionManagerConfig, PubsubConfig, Swarm, SwarmConfig, SwarmParts};
use libp2p::{identity::Keypair, multiaddr::Protocol};
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Semaphore;

/// How long anything may take here.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

struct Nothing;

impl SwarmListener for Nothing {
    fn on_heads(&self, _: PeerId, _: &[u8]) -> Verdict {
        Verdict::Accept
    }

    fn on_metric(&self, _: Metric) -> Verdict {
        Verdict::Accept
    }

    fn on_peer(&self, _: PeerEvent) {}
}

impl BlockSource for Nothing {
    fn block(&self, _: &Cid) -> Option<Vec<u8>> {
        None
    }
}

/// Settings of a swarm that listens on a free loopback port.
pub(crate) fn config() -> SwarmConfig {
    SwarmConfig {
        keypair: Keypair::generate_ed25519(),
        secret: Some(ClusterSecret::from_bytes([7; 32])),
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        announce: Vec::new(),
        no_announce: Vec::new(),
        enable_relay_hop: false,
        connection_manager: ConnectionManagerConfig::default(),
        resource_limits: None,
        pubsub: PubsubConfig::default(),
        dial_timeout: Duration::from_secs(3),
        mdns: false,
        peer_addresses: Vec::new(),
        peerstore_file: None,
        cluster_name: "test".into(),
        agent_version: "test/1".into(),
        follower: false,
    }
}

/// A running swarm.
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    pub(crate) swarm: Swarm,
    config: SwarmConfig,
}

impl Peer {
    pub(crate) async fn start() -> Self {
        Self::with(config()).await
    }

    async fn with(config: SwarmConfig) -> Self {
        let parts = SwarmParts {
            listener: Arc::new(Nothing),
            blocks: Arc::new(Nothing),
            trusted: Arc::new(|_| true),
            forgotten: Vec::new(),
            protected: Vec::new(),
        };
        let id = config.keypair.public().to_peer_id();
        let swarm = Swarm::start(config.clone(), parts).await.unwrap();
        Self { id, swarm, config }
    }

    /// Starts a swarm that answers as `members` do.
    pub(crate) async fn serving(members: &Arc<Members>) -> Self {
        let peer = Self::start().await;
        peer.swarm.serve_raft(members.clone());
        peer
    }

    /// Where it listens, without its ID.
    pub(crate) fn address(&self) -> Multiaddr {
        let mut address = self.swarm.network().local_addresses()[0].clone();
        assert_eq!(address.pop(), Some(Protocol::P2p(self.id)));
        address
    }

    pub(crate) async fn meet(&self, other: &Self) {
        self.swarm.network().connect(other.id, vec![other.address()]).await.unwrap();
    }

    /// Stops the swarm; what comes back starts it again, at the same address.
    pub(crate) async fn stop(self) -> SwarmConfig {
        let listen = vec![self.address()];
        self.swarm.stop().await;
        SwarmConfig { listen, ..self.config }
    }

    /// Starts a swarm that was stopped. Its port may be in use for a moment longer.
    pub(crate) async fn again(config: SwarmConfig) -> Self {
        eventually("the port is free", || {
            let mut address = config.listen[0].clone();
            let Some(Protocol::Tcp(port)) = address.pop() else { panic!("no port") };
            std::net::TcpListener::bind(("127.0.0.1", port)).is_ok()
        })
        .await;
        Self::with(config).await
    }

    /// Returns a count of what was refused.
    pub(crate) fn dropped(&self, what: &str) -> u64 {
        self.swarm.drops().into_iter().find(|(name, _)| *name == what).unwrap().1
    }
}

/// Bytes of an answer at most.
const LONGEST_ANSWER: usize = 100_000;

/// Answers with what was asked, except what begins with `slow`: that waits for a permit.
pub(crate) struct Members {
    asked: Mutex<Vec<(PeerId, Vec<u8>)>>,
    pub(crate) strangers: Mutex<HashSet<PeerId>>,
    pub(crate) slow: Semaphore,
    /// Slow answers that are waited for.
    pub(crate) waiting: AtomicUsize,
}

struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Members {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            asked: Mutex::default(),
            strangers: Mutex::default(),
            slow: Semaphore::new(0),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Returns what a peer asked, in the order in which it was handed over.
    pub(crate) fn asked_by(&self, peer: &PeerId) -> Vec<Vec<u8>> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(from, _)| from == peer).map(|(_, request)| request.clone()).collect()
    }
}

impl RaftAnswers for Members {
    fn admit(&self, from: &PeerId) -> Result<(), RaftRefusal> {
        if self.strangers.lock().unwrap().contains(from) { Err(RaftRefusal::NotMember) } else { Ok(()) }
    }

    fn answer(&self, from: PeerId, request: Vec<u8>) -> BoxFuture<'_, Vec<u8>> {
        Box::pin(async move {
            // The first poll, which is what has an order.
            self.asked.lock().unwrap().push((from, request.clone()));
            if request.starts_with(b"slow") {
                self.waiting.fetch_add(1, Ordering::Relaxed);
                let _waits = Waits(&self.waiting);
                self.slow.acquire().await.unwrap().forget();
            }
            let mut answer = request;
            answer.truncate(LONGEST_ANSWER);
            answer
        })
    }
}

/// Waits until something holds that has no event.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        let mut look = tokio::time::interval(Duration::from_millis(10));
        while !holds() {
            look.tick().await;
        }
    };
    assert!(tokio::time::timeout(LIMIT, waiting).await.is_ok(), "never: {what}");
}
