//! Peers that have the secret and mean harm, or only say by hand what others say.

mod forger;
mod identity;
mod player;
mod raw_peer;
mod session;

pub use forger::Forger;
pub use identity::Identity;
pub use player::{Asked, Player};
pub use raw_peer::{Basic, RawPeer, RawStream};
pub use session::{Call, Session};

use anyhow::{Context, Result};
use cluster_core::{
    ClusterSecret, Metric, Multiaddr, PeerId,
    metric::UnixNanos,
    ports::{
        Network, SwarmListener,
        swarm::{PeerEvent, Verdict},
    },
};
use cluster_swarm::{ConnectionManagerConfig, PubsubConfig, SwarmConfig};
use libp2p::multiaddr::Protocol;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// The name that clusters have by default.
const CLUSTER_NAME: &str = "ipfs-cluster";

/// How long a connection to the victim may take, and the acquaintance that comes with it.
const MEET_LIMIT: Duration = Duration::from_secs(20);

/// Messages published at once before the queue towards the victim is given time.
const BURST: u64 = 50;

/// That time.
const PAUSE: Duration = Duration::from_millis(2);

/// Names the topic of the heads of a cluster that has no name of its own.
pub fn heads_topic() -> String {
    cluster_swarm::heads_topic(CLUSTER_NAME)
}

/// Publishes, at the speed at which messages leave, until `count` have left.
async fn flood(count: u64, dropped: impl Fn() -> u64, publish: impl Fn(u64)) {
    let (before, mut said) = (dropped(), 0);
    while said < count + (dropped() - before) {
        for _ in 0..BURST {
            publish(said);
            said += 1;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Settings of a peer of the cluster that nobody else is told of.
fn config(secret: &str, identity: Identity) -> Result<SwarmConfig> {
    Ok(SwarmConfig {
        keypair: identity.into_keypair(),
        secret: Some(ClusterSecret::parse_hex(secret)?),
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse()?],
        announce: Vec::new(),
        no_announce: Vec::new(),
        enable_relay_hop: false,
        connection_manager: ConnectionManagerConfig::default(),
        resource_limits: None,
        pubsub: PubsubConfig { heartbeat_interval: Duration::from_millis(200), ..PubsubConfig::default() },
        dial_timeout: Duration::from_secs(10),
        mdns: false,
        peer_addresses: Vec::new(),
        peerstore_file: None,
        cluster_name: CLUSTER_NAME.to_owned(),
        agent_version: "hostile/1".to_owned(),
        follower: false,
    })
}

/// Splits the address of a victim, which ends in `/p2p/<id>`.
fn victim(address: &str) -> Result<(PeerId, Multiaddr)> {
    let mut address: Multiaddr = address.parse()?;
    match address.pop() {
        Some(Protocol::P2p(peer)) => Ok((peer, address)),
        _ => None.context("the address does not end in a peer's ID"),
    }
}

/// Makes a metric that is written as nothing but these bytes: the host wants one.
fn metric_of(peer: PeerId, bytes: Vec<u8>) -> Metric {
    Metric {
        name: String::new(),
        peer,
        value: bytes.into_iter().map(char::from).collect(),
        expires: UnixNanos(0),
        valid: true,
        weight: 0,
        partitionable: false,
        received_at: UnixNanos(0),
    }
}

/// Writes such a metric.
fn metric_bytes(metric: &Metric) -> Vec<u8> {
    metric.value.chars().map(|byte| byte as u8).collect()
}

/// Reads bytes as such a metric. Whose it is comes after the key, as bytes with a length of two bytes
/// (wire-protocol §3.5).
fn read_metric(bytes: &[u8]) -> Option<Metric> {
    const KEY: &[u8] = b"\xa1p\xda";
    let at = bytes.windows(KEY.len()).position(|window| window == KEY)? + KEY.len();
    let (length, rest) = bytes.get(at..)?.split_first_chunk::<2>()?;
    let peer = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
    Some(metric_of(PeerId::from_bytes(peer).ok()?, bytes.to_vec()))
}

/// Something that was published, as its author wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Heads.
    Heads(Vec<u8>),
    /// A metric.
    Metric(Vec<u8>),
}

/// The most that is kept of what is heard.
const MAX_HEARD: usize = 100_000;

/// Learns when the victim listens; takes note of what is published and passes nothing on.
struct Ears {
    victim: PeerId,
    listens: Notify,
    heard: Mutex<Vec<(PeerId, Heard)>>,
}

impl Ears {
    fn of(victim: PeerId) -> Arc<Self> {
        Arc::new(Self { victim, listens: Notify::new(), heard: Mutex::default() })
    }

    /// Connects to the victim and waits until it would hear what is published.
    async fn meet(&self, network: &dyn Network, address: Multiaddr) -> Result<()> {
        let met = async {
            network.connect(self.victim, vec![address]).await?;
            self.listens.notified().await;
            Ok(())
        };
        tokio::time::timeout(MEET_LIMIT, met).await.context("the victim was not met in time")?
    }

    /// Returns what was heard so far, in order.
    fn heard(&self) -> Vec<(PeerId, Heard)> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, author: PeerId, what: Heard) -> Verdict {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.len() < MAX_HEARD {
            heard.push((author, what));
        }
        Verdict::Ignore
    }
}

impl SwarmListener for Ears {
    fn on_heads(&self, author: PeerId, payload: &[u8]) -> Verdict {
        self.note(author, Heard::Heads(payload.to_vec()))
    }

    fn on_metric(&self, metric: Metric) -> Verdict {
        self.note(metric.peer, Heard::Metric(metric_bytes(&metric)))
    }

    fn on_peer(&self, event: PeerEvent) {
        if event == PeerEvent::ListensToMetrics(self.victim) {
            self.listens.notify_one();
        }
    }
}
