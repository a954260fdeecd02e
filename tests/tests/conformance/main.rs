//! What the reference promises, row by row: the cases are data in `tests/conformance`, and every row has one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod case;
mod settings;

use case::{Player, Stage, cases};
use cluster_testkit::service::{Programs, Service};
use cluster_tests::world::{World, made_up_cid};
use std::collections::BTreeMap;

/// The endpoints of api §3.5. Row 6, `POST /add`, is not built yet.
const REST: [&str; 23] = [
    "1 GET /id",
    "2 GET /version",
    "3 GET /peers",
    "4 POST /peers",
    "5 DELETE /peers/{peer}",
    "7 GET /allocations",
    "8 GET /allocations/{hash}",
    "9 GET /pins",
    "10 POST /pins/{hash}/recover",
    "11 POST /pins/recover",
    "12 GET /pins/{hash}",
    "13 POST /pins/{hash}",
    "14 POST /pins/{ipfs|ipns|ipld}/{path…}",
    "15 DELETE /pins/{hash}",
    "16 DELETE /pins/{ipfs|ipns|ipld}/{path…}",
    "17 POST /ipfs/gc",
    "18 GET /health/graph",
    "19 GET /health/alerts",
    "20 GET /health/bandwidth",
    "21 GET /monitor/metrics/{name}",
    "22 GET /monitor/metrics",
    "23 POST /token",
    "24 GET /health",
];

/// The commands of api §4.6, but `add`.
const CTL: [&str; 16] = [
    "id",
    "peers ls",
    "peers rm",
    "pin add",
    "pin rm",
    "pin update",
    "pin ls",
    "status",
    "recover",
    "version",
    "health graph",
    "health metrics",
    "health alerts",
    "health bandwidth",
    "ipfs gc",
    "commands (hidden)",
];

/// The commands of api §5.4.
const SERVICE: [&str; 7] = [
    "state crdt info",
    "state crdt dot",
    "state crdt mark-dirty",
    "state crdt mark-clean",
    "state export",
    "state import [file]",
    "state cleanup",
];

/// The flags of api §5.3.
const DAEMON: [&str; 6] = ["--upgrade", "--bootstrap", "--leave", "--stats", "--tracing", "--no-trust"];

/// The keys of api §6, but those of the proxy and the pinning service.
const KEYS: [&str; 105] = [
    "source",
    "cluster.peername",
    "cluster.secret",
    "cluster.leave_on_shutdown",
    "cluster.listen_multiaddress",
    "cluster.announce_multiaddress",
    "cluster.no_announce_multiaddress",
    "cluster.enable_relay_hop",
    "cluster.connection_manager.high_water",
    "cluster.connection_manager.low_water",
    "cluster.connection_manager.grace_period",
    "cluster.resource_manager.enabled",
    "cluster.resource_manager.memory_limit_bytes",
    "cluster.resource_manager.file_descriptors_limit",
    "cluster.pubsub.seen_messages_ttl",
    "cluster.pubsub.heartbeat_interval",
    "cluster.pubsub.d_factor",
    "cluster.pubsub.history_gossip",
    "cluster.pubsub.history_length",
    "cluster.pubsub.flood_publish",
    "cluster.dial_peer_timeout",
    "cluster.state_sync_interval",
    "cluster.pin_recover_interval",
    "cluster.replication_factor_min",
    "cluster.replication_factor_max",
    "cluster.monitor_ping_interval",
    "cluster.peer_watch_interval",
    "cluster.mdns_interval",
    "cluster.pin_only_on_trusted_peers",
    "cluster.pin_only_on_untrusted_peers",
    "cluster.disable_repinning",
    "cluster.follower_mode",
    "cluster.peerstore_file",
    "cluster.peer_addresses",
    "consensus.crdt.cluster_name",
    "consensus.crdt.trusted_peers",
    "consensus.crdt.batching.max_batch_size",
    "consensus.crdt.batching.max_batch_age",
    "consensus.crdt.batching.max_queue_size",
    "consensus.crdt.repair_interval",
    "consensus.crdt.rebroadcast_interval",
    "consensus.crdt.peerset_metric",
    "consensus.crdt.datastore_namespace",
    "consensus.raft.init_peerset",
    "consensus.raft.wait_for_leader_timeout",
    "consensus.raft.network_timeout",
    "consensus.raft.commit_retries",
    "consensus.raft.commit_retry_delay",
    "consensus.raft.backups_rotate",
    "consensus.raft.heartbeat_timeout",
    "consensus.raft.election_timeout",
    "consensus.raft.commit_timeout",
    "consensus.raft.max_append_entries",
    "consensus.raft.trailing_logs",
    "consensus.raft.snapshot_interval",
    "consensus.raft.snapshot_threshold",
    "consensus.raft.leader_lease_timeout",
    "consensus.raft.data_folder",
    "consensus.raft.datastore_namespace",
    "api.restapi.http_listen_multiaddress",
    "api.restapi.ssl_cert_file",
    "api.restapi.ssl_key_file",
    "api.restapi.read_timeout",
    "api.restapi.read_header_timeout",
    "api.restapi.write_timeout",
    "api.restapi.idle_timeout",
    "api.restapi.max_header_bytes",
    "api.restapi.libp2p_listen_multiaddress",
    "api.restapi.id",
    "api.restapi.private_key",
    "api.restapi.basic_auth_credentials",
    "api.restapi.http_log_file",
    "api.restapi.headers",
    "api.restapi.cors_allowed_origins",
    "api.restapi.cors_allowed_methods",
    "api.restapi.cors_allowed_headers",
    "api.restapi.cors_exposed_headers",
    "api.restapi.cors_allow_credentials",
    "api.restapi.cors_max_age",
    "ipfs_connector.ipfshttp.node_multiaddress",
    "ipfs_connector.ipfshttp.connect_swarms_delay",
    "ipfs_connector.ipfshttp.ipfs_request_timeout",
    "ipfs_connector.ipfshttp.pin_timeout",
    "ipfs_connector.ipfshttp.unpin_timeout",
    "ipfs_connector.ipfshttp.repogc_timeout",
    "ipfs_connector.ipfshttp.informer_trigger_interval",
    "ipfs_connector.ipfshttp.unpin_disable",
    "pin_tracker.stateless.max_pin_queue_size",
    "pin_tracker.stateless.concurrent_pins",
    "pin_tracker.stateless.priority_pin_max_age",
    "pin_tracker.stateless.priority_pin_max_retries",
    "monitor.pubsubmon.check_interval",
    "allocator.balanced.allocate_by",
    "informer.disk.metric_ttl",
    "informer.disk.metric_type",
    "informer.tags.metric_ttl",
    "informer.tags.tags",
    "informer.pinqueue.metric_ttl",
    "informer.pinqueue.weight_bucket_size",
    "observations.metrics.enable_stats",
    "observations.metrics.prometheus_endpoint",
    "observations.metrics.reporting_interval",
    "observations.tracing",
    "datastore",
    "identity.json",
];

/// What api §7 has of cluster-follow.
const FOLLOW: [&str; 7] = [
    "--config",
    "no arguments (§7.1)",
    "info (§7.2)",
    "init (§7.3)",
    "--gateway (§7.3)",
    "run (§7.4)",
    "list (§7.5)",
];

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_commands_of_ctl() {
    let mut world = World::with_kubo(&[("CLUSTER_PEERNAME", "conforming")]).await.unwrap();
    let content = world.add(200_000).unwrap().to_string();
    let published = ["name", "publish", "--allow-offline", "--quieter", &format!("/ipfs/{content}")];
    let ipns = world.ipfs.ipfs(&published).unwrap().trim().to_owned();
    let names = [
        ("peer", world.peer.id().to_owned()),
        ("name", "conforming".to_owned()),
        ("cid", made_up_cid(1).unwrap().to_string()),
        ("content", content),
        ("ipns", ipns),
    ];
    let names = names.map(|(name, value)| (name.to_owned(), value)).into();
    let peer = Some(Player { service: &mut world.peer, mock: None });
    let mut stage = Stage { names, peer, ..Stage::default() };
    let mut cases = cases("rest.toml", &REST);
    cases.extend(case::cases("ctl.toml", &CTL));
    // What collects garbage takes the content away that the others pin.
    cases.sort_by_key(|case| case.row.contains("gc"));
    tokio::task::block_in_place(|| cases.iter().for_each(|case| stage.run(case)));
}

#[test]
fn commands_on_the_state_of_a_stopped_peer() {
    let folder = tempfile::tempdir().unwrap();
    let program = Programs::build().unwrap().service;
    let mut peer = Service::init(&program, &folder.path().join("peer"), "/ip4/127.0.0.1/tcp/1", &[]).unwrap();
    let names = BTreeMap::from([("cid".to_owned(), made_up_cid(1).unwrap().to_string())]);
    let peer = Some(Player { service: &mut peer, mock: None });
    let mut stage = Stage { names, peer, ..Stage::default() };
    cases("service.toml", &SERVICE).iter().for_each(|case| stage.run(case));
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_of_the_daemon() {
    settings::run_all(cases("daemon.toml", &DAEMON)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_of_follow() {
    settings::run_all(cases("follow.toml", &FOLLOW)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings() {
    settings::run_all(cases("config.toml", &KEYS)).await;
}
