//! What the host must know before it starts.

use cluster_core::{ClusterSecret, Multiaddr};
use libp2p::identity::Keypair;
use std::{path::PathBuf, time::Duration};

/// Settings of the host, checked already (api §6.3).
#[derive(Clone)]
pub struct SwarmConfig {
    /// The key whose public half is the peer's ID.
    pub keypair: Keypair,
    /// The secret of the private network; none leaves the network open.
    pub secret: Option<ClusterSecret>,
    /// Where to listen. QUIC addresses are ignored with a log line, as in Go.
    pub listen: Vec<Multiaddr>,
    /// When not empty, exactly these addresses are told to others.
    pub announce: Vec<Multiaddr>,
    /// Addresses, or masks such as `/ip4/10.0.0.0/ipcidr/8`, that are never told to others.
    pub no_announce: Vec<Multiaddr>,
    /// Whether to relay connections of others.
    pub enable_relay_hop: bool,
    /// When to close connections.
    pub connection_manager: ConnectionManagerConfig,
    /// When to refuse connections; none refuses only what no peer needs.
    pub resource_limits: Option<ResourceLimits>,
    /// Parameters of the gossip.
    pub pubsub: PubsubConfig,
    /// How long one address may take to answer at all; the handshake after that has ten seconds.
    pub dial_timeout: Duration,
    /// Whether to find peers of the local network by multicast.
    pub mdns: bool,
    /// Peers always remembered and connected first, each ending in `/p2p/<id>`.
    pub peer_addresses: Vec<Multiaddr>,
    /// Where addresses of peers are kept between runs.
    pub peerstore_file: Option<PathBuf>,
    /// Name of the cluster; it makes the topic of the heads (wire-protocol §3.4).
    pub cluster_name: String,
    /// What identify says this program is.
    pub agent_version: String,
    /// Whether the peer only follows; such a peer suggests no other peers to those it prunes.
    pub follower: bool,
}

/// When connections are closed because there are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionManagerConfig {
    /// Down to how many connections to go.
    pub low_water: usize,
    /// Above how many connections to start.
    pub high_water: usize,
    /// Connections younger than this are left alone.
    pub grace_period: Duration,
}

impl Default for ConnectionManagerConfig {
    fn default() -> Self {
        Self { low_water: 100, high_water: 400, grace_period: Duration::from_secs(120) }
    }
}

/// What the process may use before new connections are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResourceLimits {
    /// Resident memory of the process in bytes; 0 is a quarter of the machine's.
    pub memory_bytes: u64,
    /// Connections by file descriptors; 0 is half of what the process may open.
    pub file_descriptors: u64,
}

/// Parameters of the gossip (wire-protocol §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PubsubConfig {
    /// How long a message is remembered, so that it is taken once.
    pub seen_messages_ttl: Duration,
    /// Time between two rounds of upkeep.
    pub heartbeat_interval: Duration,
    /// Multiplies the sizes of the mesh; at least 1.
    pub d_factor: usize,
    /// Over how many rounds messages are offered.
    pub history_gossip: usize,
    /// Over how many rounds messages are kept; at least `history_gossip`.
    pub history_length: usize,
    /// Whether own messages go to every peer of the topic.
    pub flood_publish: bool,
}

impl Default for PubsubConfig {
    fn default() -> Self {
        Self {
            seen_messages_ttl: Duration::from_secs(30 * 60),
            heartbeat_interval: Duration::from_secs(10),
            d_factor: 4,
            history_gossip: 2,
            history_length: 6,
            flood_publish: false,
        }
    }
}
