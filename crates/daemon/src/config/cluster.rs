//! The `cluster` section (api §6.3).

use super::{
    address,
    checker::{Checker, Reach, text_or},
    node::quote,
    raw::{RawCluster, RawConnectionManager, RawPubsub, RawResourceManager, SecretText},
};
use cluster_core::{ClusterSecret, Multiaddr, ReplicationFactors, go_duration::print};
use multiaddr::Protocol;
use std::{net::Ipv4Addr, path::PathBuf, time::Duration};

/// Settings of the peer itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterConfig {
    /// Name shown to people.
    pub peername: String,
    /// Key of the private network; `None` is an open one.
    pub secret: Option<ClusterSecret>,
    /// The file the secret came from, as configured.
    pub secret_file: Option<PathBuf>,
    /// Leave the cluster at every stop.
    pub leave_on_shutdown: bool,
    /// Where other peers reach this one; never empty.
    pub listen_multiaddress: Vec<Multiaddr>,
    /// If not empty, exactly these are announced.
    pub announce_multiaddress: Vec<Multiaddr>,
    /// Addresses and `/ipcidr/` ranges never announced.
    pub no_announce_multiaddress: Vec<Multiaddr>,
    /// Relay between other peers.
    pub enable_relay_hop: bool,
    /// How many connections are kept.
    pub connection_manager: ConnectionManagerConfig,
    /// Bounds of what the network may use; `None` is unbounded.
    pub resource_manager: ResourceManagerConfig,
    /// The gossip's parameters.
    pub pubsub: PubsubConfig,
    /// Longest to wait for a connection.
    pub dial_peer_timeout: Duration,
    /// Between two scans for expired pins.
    pub state_sync_interval: Duration,
    /// Between two automatic recoveries.
    pub pin_recover_interval: Duration,
    /// What a pin gets that does not say.
    pub replication: ReplicationFactors,
    /// Between two pings; the ping metric lives twice as long.
    pub monitor_ping_interval: Duration,
    /// Between two looks at the set of peers.
    pub peer_watch_interval: Duration,
    /// Local discovery; `None` is off.
    pub mdns_interval: Option<Duration>,
    /// Where pins may go.
    pub pin_only_on: PinOnlyOn,
    /// Leave the pins of a lost peer alone.
    pub disable_repinning: bool,
    /// Follow the pinset, never change it.
    pub follower_mode: bool,
    /// Peerstore file, relative to the base folder.
    pub peerstore_file: PathBuf,
    /// Peers to connect to first.
    pub peer_addresses: Vec<Multiaddr>,
}

/// Which peers pins may be allocated to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PinOnlyOn {
    /// All peers.
    #[default]
    AllPeers,
    /// Trusted peers only.
    TrustedPeers,
    /// Untrusted peers only.
    UntrustedPeers,
}

/// Bounds of the number of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionManagerConfig {
    /// Above this, idle connections are closed.
    pub high_water: u32,
    /// Down to this; at most `high_water`.
    pub low_water: u32,
    /// A younger connection is never closed.
    pub grace_period: Duration,
}

/// Bounds of what the network may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceManagerConfig {
    /// Whether there are bounds.
    pub enabled: bool,
    /// Bytes; `None` is a quarter of the machine's memory.
    pub memory_limit_bytes: Option<u64>,
    /// `None` is half of what the process may open.
    pub file_descriptors_limit: Option<u64>,
}

/// Parameters of the gossip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PubsubConfig {
    /// How long a message is remembered.
    pub seen_messages_ttl: Duration,
    /// Pace of the upkeep.
    pub heartbeat_interval: Duration,
    /// Multiplies the mesh parameters; at least 1.
    pub d_factor: u32,
    /// Heartbeats of messages that are told about.
    pub history_gossip: u32,
    /// Heartbeats of messages that are kept.
    pub history_length: u32,
    /// Send own messages to every peer.
    pub flood_publish: bool,
}

impl ClusterConfig {
    pub(crate) fn parse(raw: RawCluster, check: &mut Checker<'_>) -> Self {
        let (secret, secret_file) = check.secret("secret", raw.secret, raw.secret_file.as_ref());
        let secret = secret.filter(|text| !text.expose().is_empty()).and_then(|text| {
            let key = if secret_file.is_some() { "secret_file" } else { "secret" };
            ClusterSecret::parse_hex(text.expose())
                .inspect_err(|error| {
                    check.reject(
                        key,
                        format!("a text that is no secret ({error})"),
                        "64 hexadecimal digits (32 bytes)",
                    );
                })
                .ok()
        });
        let any = Ipv4Addr::UNSPECIFIED;
        let udp = Multiaddr::empty().with(Protocol::Ip4(any)).with(Protocol::Udp(9096)).with(Protocol::Quic);
        let listen = vec![address::tcp(any, 9096), udp];
        let listen_multiaddress =
            check.multiaddrs("listen_multiaddress", raw.listen_multiaddress.as_ref(), listen, Reach::Any);
        if raw.listen_multiaddress.as_ref().is_some_and(Vec::is_empty) {
            check.reject(
                "listen_multiaddress",
                "no address",
                "at least one: cluster.listen_multiaddress is undefined",
            );
        }
        let pin_only_on = match (raw.pin_only_on_trusted_peers, raw.pin_only_on_untrusted_peers) {
            (Some(true), Some(true)) => {
                let expected = "at most one of pin_only_on_trusted_peers and pin_only_on_untrusted_peers";
                check.reject("pin_only_on_trusted_peers", "true for both", expected);
                PinOnlyOn::AllPeers
            }
            (Some(true), _) => PinOnlyOn::TrustedPeers,
            (_, Some(true)) => PinOnlyOn::UntrustedPeers,
            _ => PinOnlyOn::AllPeers,
        };
        let mut addresses =
            |key, raw: Option<&Vec<String>>| check.multiaddrs(key, raw, Vec::new(), Reach::Any);
        let announce_multiaddress = addresses("announce_multiaddress", raw.announce_multiaddress.as_ref());
        let no_announce_multiaddress =
            addresses("no_announce_multiaddress", raw.no_announce_multiaddress.as_ref());
        let peer_addresses = peer_addresses(raw.peer_addresses.as_ref(), check);
        let seconds = Duration::from_secs;
        Self {
            peername: text_or(raw.peername, &host_name()),
            secret,
            secret_file,
            leave_on_shutdown: raw.leave_on_shutdown.unwrap_or(false),
            listen_multiaddress,
            announce_multiaddress,
            no_announce_multiaddress,
            enable_relay_hop: raw.enable_relay_hop.unwrap_or(true),
            connection_manager: ConnectionManagerConfig::parse(&raw.connection_manager, check),
            resource_manager: ResourceManagerConfig::parse(&raw.resource_manager, check),
            pubsub: PubsubConfig::parse(&raw.pubsub, check),
            dial_peer_timeout: check.positive(
                "dial_peer_timeout",
                raw.dial_peer_timeout.as_ref(),
                seconds(3),
            ),
            state_sync_interval: check.positive(
                "state_sync_interval",
                raw.state_sync_interval.as_ref(),
                seconds(5 * 60),
            ),
            pin_recover_interval: check.positive(
                "pin_recover_interval",
                raw.pin_recover_interval.as_ref(),
                seconds(12 * 60),
            ),
            replication: replication(raw.replication_factor_min, raw.replication_factor_max, check),
            monitor_ping_interval: check.positive(
                "monitor_ping_interval",
                raw.monitor_ping_interval.as_ref(),
                seconds(15),
            ),
            peer_watch_interval: check.positive(
                "peer_watch_interval",
                raw.peer_watch_interval.as_ref(),
                seconds(5),
            ),
            mdns_interval: check.switchable("mdns_interval", raw.mdns_interval.as_ref(), Some(seconds(10))),
            pin_only_on,
            disable_repinning: raw.disable_repinning.unwrap_or(true),
            follower_mode: raw.follower_mode.unwrap_or(false),
            peerstore_file: text_or(raw.peerstore_file, "peerstore").into(),
            peer_addresses,
        }
    }

    pub(crate) fn to_raw(&self) -> RawCluster {
        let texts = |list: &[Multiaddr]| Some(list.iter().map(ToString::to_string).collect());
        let inline = |secret: &ClusterSecret| SecretText::new(secret.expose_hex());
        RawCluster {
            peername: Some(self.peername.clone()),
            secret: if self.secret_file.is_some() { None } else { self.secret.as_ref().map(inline) },
            secret_file: self.secret_file.as_ref().map(|path| path.display().to_string()),
            leave_on_shutdown: Some(self.leave_on_shutdown),
            listen_multiaddress: texts(&self.listen_multiaddress),
            announce_multiaddress: texts(&self.announce_multiaddress),
            no_announce_multiaddress: texts(&self.no_announce_multiaddress),
            enable_relay_hop: Some(self.enable_relay_hop),
            dial_peer_timeout: Some(print(self.dial_peer_timeout)),
            state_sync_interval: Some(print(self.state_sync_interval)),
            pin_recover_interval: Some(print(self.pin_recover_interval)),
            replication_factor_min: Some(self.replication.min.into()),
            replication_factor_max: Some(self.replication.max.into()),
            monitor_ping_interval: Some(print(self.monitor_ping_interval)),
            peer_watch_interval: Some(print(self.peer_watch_interval)),
            mdns_interval: Some(print(self.mdns_interval.unwrap_or_default())),
            pin_only_on_trusted_peers: Some(self.pin_only_on == PinOnlyOn::TrustedPeers),
            pin_only_on_untrusted_peers: Some(self.pin_only_on == PinOnlyOn::UntrustedPeers),
            disable_repinning: Some(self.disable_repinning),
            follower_mode: Some(self.follower_mode),
            peerstore_file: Some(self.peerstore_file.display().to_string()),
            peer_addresses: texts(&self.peer_addresses),
            connection_manager: RawConnectionManager {
                high_water: Some(self.connection_manager.high_water.into()),
                low_water: Some(self.connection_manager.low_water.into()),
                grace_period: Some(print(self.connection_manager.grace_period)),
            },
            resource_manager: RawResourceManager {
                enabled: Some(self.resource_manager.enabled),
                memory_limit_bytes: Some(or_zero(self.resource_manager.memory_limit_bytes)),
                file_descriptors_limit: Some(or_zero(self.resource_manager.file_descriptors_limit)),
            },
            pubsub: RawPubsub {
                seen_messages_ttl: Some(print(self.pubsub.seen_messages_ttl)),
                heartbeat_interval: Some(print(self.pubsub.heartbeat_interval)),
                d_factor: Some(self.pubsub.d_factor.into()),
                history_gossip: Some(self.pubsub.history_gossip.into()),
                history_length: Some(self.pubsub.history_length.into()),
                flood_publish: Some(self.pubsub.flood_publish),
            },
        }
    }
}

impl ConnectionManagerConfig {
    fn parse(raw: &RawConnectionManager, check: &mut Checker<'_>) -> Self {
        let high_water = check.integer("connection_manager.high_water", raw.high_water, 400, 1);
        let low_water = check.integer("connection_manager.low_water", raw.low_water, 100, 1);
        if low_water > high_water {
            let found = format!("{low_water} with high_water {high_water}");
            check.reject("connection_manager.low_water", found, "low_water at or below high_water");
        }
        let grace = Duration::from_secs(120);
        let grace_period =
            check.duration("connection_manager.grace_period", raw.grace_period.as_ref(), grace);
        Self { high_water, low_water, grace_period }
    }
}

impl ResourceManagerConfig {
    fn parse(raw: &RawResourceManager, check: &mut Checker<'_>) -> Self {
        let mut limit = |key, raw| match check.integer(key, raw, 0u64, 0) {
            0 => None,
            limit => Some(limit),
        };
        Self {
            enabled: raw.enabled.unwrap_or(true),
            memory_limit_bytes: limit("resource_manager.memory_limit_bytes", raw.memory_limit_bytes),
            file_descriptors_limit: limit(
                "resource_manager.file_descriptors_limit",
                raw.file_descriptors_limit,
            ),
        }
    }
}

impl PubsubConfig {
    fn parse(raw: &RawPubsub, check: &mut Checker<'_>) -> Self {
        let (ttl, beat) = (Duration::from_secs(30 * 60), Duration::from_secs(10));
        let history_gossip = check.integer("pubsub.history_gossip", raw.history_gossip, 2, 1);
        let history_length = check.integer("pubsub.history_length", raw.history_length, 6, 1);
        if history_gossip > history_length {
            let found = format!("{history_gossip} with history_length {history_length}");
            check.reject("pubsub.history_gossip", found, "history_gossip at or below history_length");
        }
        Self {
            seen_messages_ttl: check.positive(
                "pubsub.seen_messages_ttl",
                raw.seen_messages_ttl.as_ref(),
                ttl,
            ),
            heartbeat_interval: check.positive(
                "pubsub.heartbeat_interval",
                raw.heartbeat_interval.as_ref(),
                beat,
            ),
            d_factor: check.integer("pubsub.d_factor", raw.d_factor, 4, 1),
            history_gossip,
            history_length,
            flood_publish: raw.flood_publish.unwrap_or(false),
        }
    }
}

/// Reads the two factors; 0 means unset here (api §6.3), both unset is everywhere.
fn replication(min: Option<i64>, max: Option<i64>, check: &mut Checker<'_>) -> ReplicationFactors {
    let least = i64::from(i32::MIN);
    let mut factor = |key, raw| check.integer::<i32>(key, raw, -1, least);
    let factors = ReplicationFactors {
        min: factor("replication_factor_min", min),
        max: factor("replication_factor_max", max),
    }
    .or(ReplicationFactors::EVERYWHERE);
    if let Err(rule) = factors.policy() {
        let found = format!("{} with replication_factor_max {}", factors.min, factors.max);
        let expected = format!("-1 for both, or 1 ≤ min ≤ max: {rule}");
        check.reject("replication_factor_min", found, expected);
    }
    factors
}

/// Reads addresses that must name their peer.
fn peer_addresses(raw: Option<&Vec<String>>, check: &mut Checker<'_>) -> Vec<Multiaddr> {
    let addresses = check.multiaddrs("peer_addresses", raw, Vec::new(), Reach::Any);
    for address in &addresses {
        if !matches!(address.iter().last(), Some(Protocol::P2p(_))) {
            let expected = "a multiaddress that ends in /p2p/<peer ID>";
            check.reject("peer_addresses", quote(&address.to_string()), expected);
        }
    }
    addresses
}

fn or_zero(limit: Option<u64>) -> i64 {
    limit.map_or(0, |limit| i64::try_from(limit).unwrap_or(i64::MAX))
}

fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}
