//! All protocols of the host.

use super::{
    config::{ResourceLimits, SwarmConfig},
    counters::SwarmCounters,
    error::SwarmError,
    gossip::{self, Gossip},
    inbound_gate::InboundGate,
    routing,
    streams::{InboundStreams, Streams},
};
use cluster_core::PeerId;
use libp2p::{
    allow_block_list::{self, BlockedPeers},
    autonat, connection_limits, dcutr, gossipsub, identify,
    kad::{self, Mode, store::MemoryStore},
    memory_connection_limits, ping, relay,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
};
use std::{sync::Arc, time::Duration};

/// Connections of one peer. Two that dial each other at the same time make two; more are no use.
const MAX_PER_PEER: u32 = 8;

/// Connections from others in their handshake; more are refused and counted.
const MAX_PENDING_INBOUND: u32 = 256;

/// Connections to others in their handshake; more are refused and counted.
const MAX_PENDING_OUTBOUND: u32 = 128;

/// How long a connection may be quiet before it is tested.
const PING_EVERY: Duration = Duration::from_secs(5);

/// How long the answer to such a test may take. Two silences in a row end the connection: half a minute after the other
/// side has vanished.
const PING_LIMIT: Duration = Duration::from_secs(10);

/// The share of memory that may be used when no figure is given, as in Go.
const MEMORY_SHARE: f64 = 0.25;

/// All protocols; limits come first, so that what they refuse costs nothing.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    gate: InboundGate,
    limits: connection_limits::Behaviour,
    memory: Toggle<memory_connection_limits::Behaviour>,
    pub(super) blocked: allow_block_list::Behaviour<BlockedPeers>,
    pub(super) streams: Streams,
    pub(super) identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(super) gossip: Gossip,
    pub(super) lan: kad::Behaviour<MemoryStore>,
    pub(super) wan: kad::Behaviour<MemoryStore>,
    relay_client: relay::client::Behaviour,
    relay_server: Toggle<relay::Behaviour>,
    autonat: autonat::Behaviour,
    pub(super) dcutr: dcutr::Behaviour,
}

impl Behaviour {
    pub(super) fn new(
        config: &SwarmConfig,
        topics: &[gossipsub::IdentTopic],
        relay_client: relay::client::Behaviour,
        inbound: Arc<dyn InboundStreams>,
        counters: Arc<SwarmCounters>,
        may_open: u64,
    ) -> Result<Self, SwarmError> {
        let own = config.keypair.public().to_peer_id();
        let limits = connection_limits::ConnectionLimits::default()
            .with_max_established_per_peer(Some(MAX_PER_PEER))
            .with_max_pending_incoming(Some(MAX_PENDING_INBOUND))
            .with_max_pending_outgoing(Some(MAX_PENDING_OUTBOUND))
            .with_max_established(Some(max_connections(
                config.connection_manager.high_water,
                config.resource_limits,
                may_open,
            )));
        // No signed record of the addresses: this library signs a form that Go's peers do not take.
        let identify = identify::Config::new(String::new(), config.keypair.public())
            .with_agent_version(config.agent_version.clone())
            // What is told is decided by the announce settings alone, and addresses of others are kept elsewhere.
            .with_hide_listen_addrs(true)
            .with_cache_size(0);
        Ok(Self {
            gate: InboundGate::default(),
            limits: connection_limits::Behaviour::new(limits),
            memory: config.resource_limits.map(memory_limit).into(),
            blocked: allow_block_list::Behaviour::default(),
            streams: Streams::new(inbound, counters),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(
                ping::Config::new().with_interval(PING_EVERY).with_timeout(PING_LIMIT),
            ),
            gossip: gossip::build(&config.keypair, &config.pubsub, config.follower, topics)?,
            lan: routing::table(own, routing::LAN_PROTOCOL, Mode::Server),
            wan: routing::table(own, routing::WAN_PROTOCOL, Mode::Client),
            relay_client,
            relay_server: config.enable_relay_hop.then(|| idle_relay(own)).into(),
            autonat: autonat::Behaviour::new(own, autonat::Config::default()),
            dcutr: dcutr::Behaviour::new(own),
        })
    }

    /// Starts or stops to relay connections of others, if the configuration lets us.
    pub(super) fn serve_as_relay(&mut self, serve: bool) {
        if let Some(relay) = self.relay_server.as_mut() {
            relay.set_status(Some(if serve { relay::Status::Enable } else { relay::Status::Disable }));
        }
    }
}

fn idle_relay(own: PeerId) -> relay::Behaviour {
    let mut relay = relay::Behaviour::new(own, relay::Config::default());
    relay.set_status(Some(relay::Status::Disable));
    relay
}

/// Returns how many connections there may be: what Go allows, within the file descriptors.
fn max_connections(high_water: usize, limits: Option<ResourceLimits>, may_open: u64) -> u32 {
    let wanted = high_water.saturating_mul(2).max(800);
    let descriptors = match limits {
        Some(ResourceLimits { file_descriptors: 0, .. }) | None => may_open / 2,
        Some(limits) => limits.file_descriptors,
    };
    u32::try_from(u64::try_from(wanted).unwrap_or(u64::MAX).min(descriptors).max(16)).unwrap_or(u32::MAX)
}

fn memory_limit(limits: ResourceLimits) -> memory_connection_limits::Behaviour {
    match usize::try_from(limits.memory_bytes) {
        Ok(0) => memory_connection_limits::Behaviour::with_max_percentage(MEMORY_SHARE),
        Ok(bytes) => memory_connection_limits::Behaviour::with_max_bytes(bytes),
        Err(_) => memory_connection_limits::Behaviour::with_max_bytes(usize::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_stay_within_the_descriptors() {
        let places = |file_descriptors| {
            max_connections(400, Some(ResourceLimits { memory_bytes: 0, file_descriptors }), 1000)
        };
        assert_eq!([0, 300, 1, u64::MAX].map(places), [500, 300, 16, 800]);
    }
}
