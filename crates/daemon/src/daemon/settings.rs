//! From the configuration to what each part wants to know.

use crate::{
    command::Prepared,
    config::{Config, ConsensusConfig, CrdtConfig, DiskMetric, PinOnlyOn, RaftConfig, TrustedPeers},
};
use cluster_consensus::crdt::{Batching, EngineConfig};
use cluster_core::{
    PeerId,
    tracker::{Backoff, TrackerConfig},
    trust::Trust,
};
use cluster_ipfs::KuboConfig;
use cluster_peer::{DiskInformer, InformersConfig, PeerConfig, PinqueueInformer, PlaceOn, TagsInformer};
use cluster_swarm::{ConnectionManagerConfig, PubsubConfig, ResourceLimits, SwarmConfig};
use std::time::Duration;

/// Requests to the IPFS daemon at once.
const IPFS_CONNECTIONS: usize = 64;

/// Times that a leader is heard while a peer waits for it.
const HEARTBEATS: u32 = 10;

/// First wait after a failed request to the IPFS daemon.
const FIRST_RETRY: Duration = Duration::from_secs(5);

pub(crate) fn kubo(config: &Config) -> KuboConfig {
    let ipfs = &config.ipfshttp;
    KuboConfig {
        node: ipfs.node_multiaddress.clone(),
        ipfs_request_timeout: ipfs.ipfs_request_timeout,
        pin_timeout: ipfs.pin_timeout,
        unpin_timeout: ipfs.unpin_timeout,
        repogc_timeout: ipfs.repogc_timeout,
        unpin_disable: ipfs.unpin_disable,
        max_connections: IPFS_CONNECTIONS,
    }
}

pub(super) fn engine(crdt: &CrdtConfig) -> EngineConfig {
    EngineConfig {
        rebroadcast_interval: crdt.rebroadcast_interval,
        repair_interval: crdt.repair_interval,
        batching: Batching::new(crdt.batching.max_batch_size, crdt.batching.max_batch_age),
        ..EngineConfig::default()
    }
}

pub(super) fn raft(prepared: &Prepared, raft: &RaftConfig) -> cluster_consensus::raft::RaftConfig {
    cluster_consensus::raft::RaftConfig {
        local: prepared.identity.id(),
        replication: prepared.config.cluster.replication,
        heartbeat: raft.heartbeat_timeout / HEARTBEATS,
        // A peer that hears nothing lets the longest of these times pass, as the leader's lease, and then one of its own choice
        // among them: the sum of both settings at most.
        election: raft.heartbeat_timeout / 2,
        election_max: (raft.heartbeat_timeout + raft.election_timeout) / 2,
        max_append_entries: raft.max_append_entries,
        leader_wait: raft.wait_for_leader_timeout,
        submit_wait: raft.wait_for_leader_timeout + raft.network_timeout,
        barrier_wait: raft.network_timeout,
        snapshot_threshold: raft.snapshot_threshold,
        trailing_logs: raft.trailing_logs,
    }
}

pub(super) fn tracker(config: &Config) -> TrackerConfig {
    let max = config.cluster.pin_recover_interval;
    TrackerConfig {
        concurrent_pins: config.tracker.concurrent_pins,
        backoff: Backoff { first: FIRST_RETRY.min(max), max },
        ..TrackerConfig::default()
    }
}

/// Whom to trust: those configured, and those that are joined unless that was ruled out. With Raft everybody who has the
/// secret: who is a member decides about changes.
pub(super) fn trust(consensus: &ConsensusConfig, joined: &[PeerId]) -> Trust {
    match consensus.crdt().map(|crdt| &crdt.trusted_peers) {
        None | Some(TrustedPeers::Everyone) => Trust::Everyone,
        Some(TrustedPeers::Only(peers)) => Trust::Only(peers.iter().chain(joined).copied().collect()),
    }
}

pub(super) fn peer(prepared: &Prepared, scratch: std::path::PathBuf) -> PeerConfig {
    let cluster = &prepared.config.cluster;
    PeerConfig {
        id: prepared.identity.id(),
        peername: cluster.peername.clone(),
        version: env!("CARGO_PKG_VERSION"),
        follower: cluster.follower_mode,
        replication: cluster.replication,
        repinning: !cluster.disable_repinning,
        allocate_by: prepared.config.allocator.allocate_by.clone(),
        place_on: match cluster.pin_only_on {
            PinOnlyOn::AllPeers => PlaceOn::All,
            PinOnlyOn::TrustedPeers => PlaceOn::Trusted,
            PinOnlyOn::UntrustedPeers => PlaceOn::Untrusted,
        },
        ping_interval: cluster.monitor_ping_interval,
        scratch,
    }
}

pub(super) fn informers(config: &Config) -> InformersConfig {
    let informers = &config.informers;
    InformersConfig {
        peername: config.cluster.peername.clone(),
        ping_interval: config.cluster.monitor_ping_interval,
        disk: informers.disk.as_ref().map(|disk| DiskInformer {
            metric_ttl: disk.metric_ttl,
            metric: match disk.metric_type {
                DiskMetric::FreeSpace => cluster_peer::DiskMetric::FreeSpace,
                DiskMetric::RepoSize => cluster_peer::DiskMetric::RepoSize,
            },
        }),
        tags: informers
            .tags
            .as_ref()
            .map(|tags| TagsInformer { metric_ttl: tags.metric_ttl, tags: tags.tags.clone() }),
        pinqueue: informers.pinqueue.as_ref().map(|queue| PinqueueInformer {
            metric_ttl: queue.metric_ttl,
            weight_bucket_size: queue.weight_bucket_size,
        }),
    }
}

pub(super) fn swarm(prepared: &Prepared) -> SwarmConfig {
    let cluster = &prepared.config.cluster;
    let limits = &cluster.resource_manager;
    SwarmConfig {
        keypair: prepared.identity.keypair().clone(),
        secret: cluster.secret.clone(),
        listen: cluster.listen_multiaddress.clone(),
        announce: cluster.announce_multiaddress.clone(),
        no_announce: cluster.no_announce_multiaddress.clone(),
        enable_relay_hop: cluster.enable_relay_hop,
        connection_manager: ConnectionManagerConfig {
            low_water: cluster.connection_manager.low_water as usize,
            high_water: cluster.connection_manager.high_water as usize,
            grace_period: cluster.connection_manager.grace_period,
        },
        resource_limits: limits.enabled.then(|| ResourceLimits {
            memory_bytes: limits.memory_limit_bytes.unwrap_or(0),
            file_descriptors: limits.file_descriptors_limit.unwrap_or(0),
        }),
        pubsub: PubsubConfig {
            seen_messages_ttl: cluster.pubsub.seen_messages_ttl,
            heartbeat_interval: cluster.pubsub.heartbeat_interval,
            d_factor: cluster.pubsub.d_factor as usize,
            history_gossip: cluster.pubsub.history_gossip as usize,
            history_length: cluster.pubsub.history_length as usize,
            flood_publish: cluster.pubsub.flood_publish,
        },
        dial_timeout: cluster.dial_peer_timeout,
        mdns: cluster.mdns_interval.is_some(),
        peer_addresses: cluster.peer_addresses.clone(),
        peerstore_file: Some(prepared.base.join(&cluster.peerstore_file)),
        cluster_name: match &prepared.config.consensus {
            ConsensusConfig::Crdt(crdt) => crdt.cluster_name.clone(),
            // No heads are told there; peers with another consensus are warned of each other all the same.
            ConsensusConfig::Raft(_) => "(raft)".to_owned(),
        },
        agent_version: concat!("cluster-service/", env!("CARGO_PKG_VERSION")).to_owned(),
        follower: cluster.follower_mode,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Environment, ExecutionLock, Identity, config::ConfigFormat};
    use std::path::Path;

    const CONFIGURED: &str = r#"
        [cluster]
        enable_relay_hop = false
        dial_peer_timeout = "7s"
        mdns_interval = "0s"
        [cluster.connection_manager]
        high_water = 70
        low_water = 40
        grace_period = "8s"
        [cluster.resource_manager]
        enabled = true
        memory_limit_bytes = 123456789
        file_descriptors_limit = 321
        [consensus.crdt]
        trusted_peers = ["*"]
        rebroadcast_interval = "9s"
        repair_interval = "11s"
    "#;

    /// Makes a peer of a configuration; its folder goes away with the second.
    fn prepared(text: &str) -> (Prepared, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let file = Path::new("/nowhere/service.toml");
        let (config, _) = Config::from_text(text, file, ConfigFormat::Toml, &Environment::default()).unwrap();
        let prepared = Prepared {
            base: folder.path().to_owned(),
            config,
            identity: Identity::generate().unwrap(),
            lock: ExecutionLock::acquire(folder.path()).unwrap(),
        };
        (prepared, folder)
    }

    #[test]
    fn raft_is_told_what_is_configured() {
        let (prepared, _folder) = prepared(
            r#"
            [cluster]
            replication_factor_min = 2
            replication_factor_max = 3
            [consensus.raft]
            heartbeat_timeout = "700ms"
            election_timeout = "900ms"
            wait_for_leader_timeout = "4s"
            network_timeout = "5s"
            max_append_entries = 33
            trailing_logs = 44
            snapshot_threshold = 55
            "#,
        );
        let told = raft(&prepared, prepared.config.consensus.raft().unwrap());
        let millis = Duration::from_millis;
        assert_eq!(told.local, prepared.identity.id());
        assert_eq!((told.replication.min, told.replication.max), (2, 3));
        assert_eq!(
            (told.heartbeat, told.election, told.election_max),
            (millis(70), millis(350), millis(800))
        );
        assert_eq!(
            (told.leader_wait, told.submit_wait, told.barrier_wait),
            (millis(4000), millis(9000), millis(5000))
        );
        assert_eq!((told.max_append_entries, told.trailing_logs, told.snapshot_threshold), (33, 44, 55));
    }

    #[test]
    fn parts_are_told_what_is_configured() {
        let (prepared, _folder) = prepared(CONFIGURED);
        let told = swarm(&prepared);
        assert!(!told.enable_relay_hop && !told.mdns);
        assert_eq!(told.dial_timeout, Duration::from_secs(7));
        let (high_water, low_water, grace_period) = (70, 40, Duration::from_secs(8));
        assert_eq!(told.connection_manager, ConnectionManagerConfig { low_water, high_water, grace_period });
        let limits = told.resource_limits.unwrap();
        assert_eq!((limits.memory_bytes, limits.file_descriptors), (123_456_789, 321));
        let told = engine(prepared.config.consensus.crdt().unwrap());
        assert_eq!(told.rebroadcast_interval, Duration::from_secs(9));
        assert_eq!(told.repair_interval, Some(Duration::from_secs(11)));
    }
}
