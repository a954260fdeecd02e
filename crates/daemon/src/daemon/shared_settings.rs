//! Tells in the log what all peers of a cluster have to have in common, so that an operator can compare, and what of
//! the configuration is not carried out yet.

use crate::config::{Config, ConsensusConfig, TrustedPeers};

pub(super) fn log(config: &Config) {
    let replication = config.cluster.replication;
    match &config.consensus {
        ConsensusConfig::Crdt(crdt) => {
            let trusted = match &crdt.trusted_peers {
                TrustedPeers::Everyone => "everyone".to_owned(),
                TrustedPeers::Only(peers) => {
                    let names: Vec<String> = peers.iter().map(ToString::to_string).collect();
                    format!("[{}]", names.join(", "))
                }
            };
            tracing::info!(
                target: "cluster",
                cluster_name = crdt.cluster_name,
                %trusted,
                replication_factor_min = replication.min,
                replication_factor_max = replication.max,
                "settings that all peers of the cluster should share"
            );
        }
        ConsensusConfig::Raft(raft) => tracing::info!(
            target: "cluster",
            consensus = "raft",
            heartbeat_timeout = ?raft.heartbeat_timeout,
            election_timeout = ?raft.election_timeout,
            replication_factor_min = replication.min,
            replication_factor_max = replication.max,
            "settings that all peers of the cluster should share"
        ),
    }
    let idle = [("api.pinsvcapi", config.pinsvcapi.is_some()), ("api.ipfsproxy", config.ipfsproxy.is_some())];
    let idle: Vec<&str> = idle.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect();
    if !idle.is_empty() {
        tracing::info!(target: "config", "configured, but not in this version yet: {}", idle.join(", "));
    }
    if config.cluster.leave_on_shutdown && config.consensus.crdt().is_some() {
        tracing::info!(
            target: "config",
            "leaving at the end has no effect with crdt consensus: there is no list of peers to leave, and the state is \
             kept; `cluster-ctl peers rm` removes a peer for good"
        );
    }
}
