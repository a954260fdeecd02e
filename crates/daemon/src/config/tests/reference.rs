//! The tables of the reference (api §6), key by key.

use super::{effective, nothing};
use crate::config::{Config, ConsensusKind, keys};
use cluster_datastore::EngineKind;
use serde_json::Value;
use std::{collections::BTreeSet, path::Path};

/// Key, environment variable, whether it is written only when it differs, and its default in a new configuration. An
/// empty default is one that no table can hold.
const ROWS: &[(&str, &str, bool, &str)] = &[
    ("cluster.peername", "CLUSTER_PEERNAME", false, ""),
    ("cluster.secret", "CLUSTER_SECRET", false, "null"),
    ("cluster.leave_on_shutdown", "CLUSTER_LEAVEONSHUTDOWN", false, "false"),
    (
        "cluster.listen_multiaddress",
        "CLUSTER_LISTENMULTIADDRESS",
        false,
        r#"["/ip4/0.0.0.0/tcp/9096", "/ip4/0.0.0.0/udp/9096/quic"]"#,
    ),
    ("cluster.announce_multiaddress", "CLUSTER_ANNOUNCEMULTIADDRESS", false, "[]"),
    ("cluster.no_announce_multiaddress", "CLUSTER_NOANNOUNCEMULTIADDRESS", false, "[]"),
    ("cluster.enable_relay_hop", "CLUSTER_ENABLERELAYHOP", false, "true"),
    ("cluster.connection_manager.high_water", "CLUSTER_CONNECTIONMANAGER_HIGHWATER", false, "400"),
    ("cluster.connection_manager.low_water", "CLUSTER_CONNECTIONMANAGER_LOWWATER", false, "100"),
    ("cluster.connection_manager.grace_period", "CLUSTER_CONNECTIONMANAGER_GRACEPERIOD", false, r#""2m0s""#),
    ("cluster.resource_manager.enabled", "CLUSTER_RESOURCEMANAGER_ENABLED", false, "true"),
    ("cluster.resource_manager.memory_limit_bytes", "CLUSTER_RESOURCEMANAGER_MEMORYLIMITBYTES", false, "0"),
    (
        "cluster.resource_manager.file_descriptors_limit",
        "CLUSTER_RESOURCEMANAGER_FILEDESCRIPTORSLIMIT",
        false,
        "0",
    ),
    ("cluster.pubsub.seen_messages_ttl", "CLUSTER_PUBSUB_SEENMESSAGESTTL", false, r#""30m0s""#),
    ("cluster.pubsub.heartbeat_interval", "CLUSTER_PUBSUB_HEARTBEATINTERVAL", false, r#""10s""#),
    ("cluster.pubsub.d_factor", "CLUSTER_PUBSUB_DFACTOR", false, "4"),
    ("cluster.pubsub.history_gossip", "CLUSTER_PUBSUB_HISTORYGOSSIP", false, "2"),
    ("cluster.pubsub.history_length", "CLUSTER_PUBSUB_HISTORYLENGTH", false, "6"),
    ("cluster.pubsub.flood_publish", "CLUSTER_PUBSUB_FLOODPUBLISH", false, "false"),
    ("cluster.dial_peer_timeout", "CLUSTER_DIALPEERTIMEOUT", false, r#""3s""#),
    ("cluster.state_sync_interval", "CLUSTER_STATESYNCINTERVAL", false, r#""5m0s""#),
    ("cluster.pin_recover_interval", "CLUSTER_PINRECOVERINTERVAL", false, r#""12m0s""#),
    ("cluster.replication_factor_min", "CLUSTER_REPLICATIONFACTORMIN", false, "-1"),
    ("cluster.replication_factor_max", "CLUSTER_REPLICATIONFACTORMAX", false, "-1"),
    ("cluster.monitor_ping_interval", "CLUSTER_MONITORPINGINTERVAL", false, r#""15s""#),
    ("cluster.peer_watch_interval", "CLUSTER_PEERWATCHINTERVAL", false, r#""5s""#),
    ("cluster.mdns_interval", "CLUSTER_MDNSINTERVAL", false, r#""10s""#),
    ("cluster.pin_only_on_trusted_peers", "CLUSTER_PINONLYONTRUSTEDPEERS", false, "false"),
    ("cluster.pin_only_on_untrusted_peers", "CLUSTER_PINONLYONUNTRUSTEDPEERS", false, "false"),
    ("cluster.disable_repinning", "CLUSTER_DISABLEREPINNING", false, "true"),
    ("cluster.follower_mode", "CLUSTER_FOLLOWERMODE", true, "false"),
    ("cluster.peerstore_file", "CLUSTER_PEERSTOREFILE", true, r#""peerstore""#),
    ("cluster.peer_addresses", "CLUSTER_PEERADDRESSES", false, "[]"),
    ("consensus.crdt.cluster_name", "CLUSTER_CRDT_CLUSTERNAME", false, r#""ipfs-cluster""#),
    ("consensus.crdt.trusted_peers", "CLUSTER_CRDT_TRUSTEDPEERS", false, r#"["*"]"#),
    ("consensus.crdt.batching.max_batch_size", "CLUSTER_CRDT_BATCHING_MAXBATCHSIZE", false, "0"),
    ("consensus.crdt.batching.max_batch_age", "CLUSTER_CRDT_BATCHING_MAXBATCHAGE", false, r#""0s""#),
    ("consensus.crdt.batching.max_queue_size", "CLUSTER_CRDT_BATCHING_MAXQUEUESIZE", true, "50000"),
    ("consensus.crdt.repair_interval", "CLUSTER_CRDT_REPAIRINTERVAL", false, r#""1h0m0s""#),
    ("consensus.crdt.rebroadcast_interval", "CLUSTER_CRDT_REBROADCASTINTERVAL", true, r#""1m0s""#),
    ("consensus.crdt.peerset_metric", "CLUSTER_CRDT_PEERSETMETRIC", true, r#""ping""#),
    ("consensus.crdt.datastore_namespace", "CLUSTER_CRDT_DATASTORENAMESPACE", true, r#""/c""#),
    ("consensus.raft.data_folder", "CLUSTER_RAFT_DATAFOLDER", true, ""),
    ("consensus.raft.init_peerset", "CLUSTER_RAFT_INITPEERSET", false, "[]"),
    ("consensus.raft.wait_for_leader_timeout", "CLUSTER_RAFT_WAITFORLEADERTIMEOUT", false, r#""15s""#),
    ("consensus.raft.network_timeout", "CLUSTER_RAFT_NETWORKTIMEOUT", false, r#""10s""#),
    ("consensus.raft.commit_retries", "CLUSTER_RAFT_COMMITRETRIES", false, "1"),
    ("consensus.raft.commit_retry_delay", "CLUSTER_RAFT_COMMITRETRYDELAY", false, r#""200ms""#),
    ("consensus.raft.backups_rotate", "CLUSTER_RAFT_BACKUPSROTATE", false, "6"),
    ("consensus.raft.datastore_namespace", "CLUSTER_RAFT_DATASTORENAMESPACE", true, r#""/r""#),
    ("consensus.raft.heartbeat_timeout", "CLUSTER_RAFT_HEARTBEATTIMEOUT", false, r#""1s""#),
    ("consensus.raft.election_timeout", "CLUSTER_RAFT_ELECTIONTIMEOUT", false, r#""1s""#),
    ("consensus.raft.commit_timeout", "CLUSTER_RAFT_COMMITTIMEOUT", false, r#""50ms""#),
    ("consensus.raft.max_append_entries", "CLUSTER_RAFT_MAXAPPENDENTRIES", false, "64"),
    ("consensus.raft.trailing_logs", "CLUSTER_RAFT_TRAILINGLOGS", false, "10240"),
    ("consensus.raft.snapshot_interval", "CLUSTER_RAFT_SNAPSHOTINTERVAL", false, r#""2m0s""#),
    ("consensus.raft.snapshot_threshold", "CLUSTER_RAFT_SNAPSHOTTHRESHOLD", false, "8192"),
    ("consensus.raft.leader_lease_timeout", "CLUSTER_RAFT_LEADERLEASETIMEOUT", false, r#""500ms""#),
    (
        "api.restapi.http_listen_multiaddress",
        "CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS",
        false,
        r#"["/ip4/127.0.0.1/tcp/9094"]"#,
    ),
    (
        "api.pinsvcapi.http_listen_multiaddress",
        "CLUSTER_PINSVCAPI_HTTPLISTENMULTIADDRESS",
        false,
        r#"["/ip4/127.0.0.1/tcp/9097"]"#,
    ),
    ("api.restapi.ssl_cert_file", "CLUSTER_RESTAPI_SSLCERTFILE", true, ""),
    ("api.pinsvcapi.ssl_cert_file", "CLUSTER_PINSVCAPI_SSLCERTFILE", true, ""),
    ("api.restapi.ssl_key_file", "CLUSTER_RESTAPI_SSLKEYFILE", true, ""),
    ("api.pinsvcapi.ssl_key_file", "CLUSTER_PINSVCAPI_SSLKEYFILE", true, ""),
    ("api.restapi.read_timeout", "CLUSTER_RESTAPI_READTIMEOUT", false, r#""0s""#),
    ("api.pinsvcapi.read_timeout", "CLUSTER_PINSVCAPI_READTIMEOUT", false, r#""0s""#),
    ("api.restapi.read_header_timeout", "CLUSTER_RESTAPI_READHEADERTIMEOUT", false, r#""5s""#),
    ("api.pinsvcapi.read_header_timeout", "CLUSTER_PINSVCAPI_READHEADERTIMEOUT", false, r#""5s""#),
    ("api.restapi.write_timeout", "CLUSTER_RESTAPI_WRITETIMEOUT", false, r#""0s""#),
    ("api.pinsvcapi.write_timeout", "CLUSTER_PINSVCAPI_WRITETIMEOUT", false, r#""0s""#),
    ("api.restapi.idle_timeout", "CLUSTER_RESTAPI_IDLETIMEOUT", false, r#""2m0s""#),
    ("api.pinsvcapi.idle_timeout", "CLUSTER_PINSVCAPI_IDLETIMEOUT", false, r#""2m0s""#),
    ("api.restapi.max_header_bytes", "CLUSTER_RESTAPI_MAXHEADERBYTES", false, "4096"),
    ("api.pinsvcapi.max_header_bytes", "CLUSTER_PINSVCAPI_MAXHEADERBYTES", false, "4096"),
    ("api.restapi.libp2p_listen_multiaddress", "CLUSTER_RESTAPI_LIBP2PLISTENMULTIADDRESS", true, ""),
    ("api.pinsvcapi.libp2p_listen_multiaddress", "CLUSTER_PINSVCAPI_LIBP2PLISTENMULTIADDRESS", true, ""),
    ("api.restapi.id", "CLUSTER_RESTAPI_ID", true, ""),
    ("api.pinsvcapi.id", "CLUSTER_PINSVCAPI_ID", true, ""),
    ("api.restapi.private_key", "CLUSTER_RESTAPI_PRIVATEKEY", true, ""),
    ("api.pinsvcapi.private_key", "CLUSTER_PINSVCAPI_PRIVATEKEY", true, ""),
    ("api.restapi.basic_auth_credentials", "CLUSTER_RESTAPI_BASICAUTHCREDENTIALS", false, "null"),
    ("api.pinsvcapi.basic_auth_credentials", "CLUSTER_PINSVCAPI_BASICAUTHCREDENTIALS", false, "null"),
    ("api.restapi.http_log_file", "CLUSTER_RESTAPI_HTTPLOGFILE", false, r#""""#),
    ("api.pinsvcapi.http_log_file", "CLUSTER_PINSVCAPI_HTTPLOGFILE", false, r#""""#),
    ("api.restapi.headers", "CLUSTER_RESTAPI_HEADERS", false, "{}"),
    ("api.pinsvcapi.headers", "CLUSTER_PINSVCAPI_HEADERS", false, "{}"),
    ("api.restapi.cors_allowed_origins", "CLUSTER_RESTAPI_CORSALLOWEDORIGINS", false, r#"["*"]"#),
    ("api.pinsvcapi.cors_allowed_origins", "CLUSTER_PINSVCAPI_CORSALLOWEDORIGINS", false, r#"["*"]"#),
    ("api.restapi.cors_allowed_methods", "CLUSTER_RESTAPI_CORSALLOWEDMETHODS", false, r#"["GET"]"#),
    ("api.pinsvcapi.cors_allowed_methods", "CLUSTER_PINSVCAPI_CORSALLOWEDMETHODS", false, r#"["GET"]"#),
    ("api.restapi.cors_allowed_headers", "CLUSTER_RESTAPI_CORSALLOWEDHEADERS", false, "[]"),
    ("api.pinsvcapi.cors_allowed_headers", "CLUSTER_PINSVCAPI_CORSALLOWEDHEADERS", false, "[]"),
    (
        "api.restapi.cors_exposed_headers",
        "CLUSTER_RESTAPI_CORSEXPOSEDHEADERS",
        false,
        r#"["Content-Type", "X-Stream-Output", "X-Chunked-Output", "X-Content-Length"]"#,
    ),
    (
        "api.pinsvcapi.cors_exposed_headers",
        "CLUSTER_PINSVCAPI_CORSEXPOSEDHEADERS",
        false,
        r#"["Content-Type", "X-Stream-Output", "X-Chunked-Output", "X-Content-Length"]"#,
    ),
    ("api.restapi.cors_allow_credentials", "CLUSTER_RESTAPI_CORSALLOWCREDENTIALS", false, "true"),
    ("api.pinsvcapi.cors_allow_credentials", "CLUSTER_PINSVCAPI_CORSALLOWCREDENTIALS", false, "true"),
    ("api.restapi.cors_max_age", "CLUSTER_RESTAPI_CORSMAXAGE", false, r#""0s""#),
    ("api.pinsvcapi.cors_max_age", "CLUSTER_PINSVCAPI_CORSMAXAGE", false, r#""0s""#),
    (
        "api.ipfsproxy.listen_multiaddress",
        "CLUSTER_IPFSPROXY_LISTENMULTIADDRESS",
        false,
        r#"["/ip4/127.0.0.1/tcp/9095"]"#,
    ),
    (
        "api.ipfsproxy.node_multiaddress",
        "CLUSTER_IPFSPROXY_NODEMULTIADDRESS",
        false,
        r#""/ip4/127.0.0.1/tcp/5001""#,
    ),
    ("api.ipfsproxy.node_https", "CLUSTER_IPFSPROXY_NODEHTTPS", true, "false"),
    ("api.ipfsproxy.log_file", "CLUSTER_IPFSPROXY_LOGFILE", false, r#""""#),
    ("api.ipfsproxy.read_timeout", "CLUSTER_IPFSPROXY_READTIMEOUT", false, r#""0s""#),
    ("api.ipfsproxy.read_header_timeout", "CLUSTER_IPFSPROXY_READHEADERTIMEOUT", false, r#""5s""#),
    ("api.ipfsproxy.write_timeout", "CLUSTER_IPFSPROXY_WRITETIMEOUT", false, r#""0s""#),
    ("api.ipfsproxy.idle_timeout", "CLUSTER_IPFSPROXY_IDLETIMEOUT", false, r#""1m0s""#),
    ("api.ipfsproxy.max_header_bytes", "CLUSTER_IPFSPROXY_MAXHEADERBYTES", false, "4096"),
    ("api.ipfsproxy.extract_headers_extra", "CLUSTER_IPFSPROXY_EXTRACTHEADERSEXTRA", true, ""),
    (
        "api.ipfsproxy.extract_headers_path",
        "CLUSTER_IPFSPROXY_EXTRACTHEADERSPATH",
        true,
        r#""/api/v0/version""#,
    ),
    ("api.ipfsproxy.extract_headers_ttl", "CLUSTER_IPFSPROXY_EXTRACTHEADERSTTL", true, r#""5m0s""#),
    (
        "ipfs_connector.ipfshttp.node_multiaddress",
        "CLUSTER_IPFSHTTP_NODEMULTIADDRESS",
        false,
        r#""/ip4/127.0.0.1/tcp/5001""#,
    ),
    (
        "ipfs_connector.ipfshttp.connect_swarms_delay",
        "CLUSTER_IPFSHTTP_CONNECTSWARMSDELAY",
        false,
        r#""30s""#,
    ),
    (
        "ipfs_connector.ipfshttp.ipfs_request_timeout",
        "CLUSTER_IPFSHTTP_IPFSREQUESTTIMEOUT",
        false,
        r#""5m0s""#,
    ),
    ("ipfs_connector.ipfshttp.pin_timeout", "CLUSTER_IPFSHTTP_PINTIMEOUT", false, r#""2m0s""#),
    ("ipfs_connector.ipfshttp.unpin_timeout", "CLUSTER_IPFSHTTP_UNPINTIMEOUT", false, r#""3h0m0s""#),
    ("ipfs_connector.ipfshttp.repogc_timeout", "CLUSTER_IPFSHTTP_REPOGCTIMEOUT", false, r#""24h0m0s""#),
    (
        "ipfs_connector.ipfshttp.informer_trigger_interval",
        "CLUSTER_IPFSHTTP_INFORMERTRIGGERINTERVAL",
        false,
        "0",
    ),
    ("ipfs_connector.ipfshttp.unpin_disable", "CLUSTER_IPFSHTTP_UNPINDISABLE", true, "false"),
    ("pin_tracker.stateless.max_pin_queue_size", "CLUSTER_STATELESS_MAXPINQUEUESIZE", true, "1000000"),
    ("pin_tracker.stateless.concurrent_pins", "CLUSTER_STATELESS_CONCURRENTPINS", false, "10"),
    (
        "pin_tracker.stateless.priority_pin_max_age",
        "CLUSTER_STATELESS_PRIORITYPINMAXAGE",
        false,
        r#""24h0m0s""#,
    ),
    ("pin_tracker.stateless.priority_pin_max_retries", "CLUSTER_STATELESS_PRIORITYPINMAXRETRIES", false, "5"),
    ("monitor.pubsubmon.check_interval", "CLUSTER_PUBSUBMON_CHECKINTERVAL", false, r#""15s""#),
    ("allocator.balanced.allocate_by", "CLUSTER_BALANCED_ALLOCATEBY", false, r#"["tag:group","freespace"]"#),
    ("informer.disk.metric_ttl", "CLUSTER_DISK_METRICTTL", false, r#""30s""#),
    ("informer.disk.metric_type", "CLUSTER_DISK_METRICTYPE", false, r#""freespace""#),
    ("informer.tags.metric_ttl", "CLUSTER_TAGS_METRICTTL", false, r#""30s""#),
    ("informer.tags.tags", "CLUSTER_TAGS_TAGS", false, r#"{"group":"default"}"#),
    ("informer.pinqueue.metric_ttl", "CLUSTER_PINQUEUE_METRICTTL", false, r#""30s""#),
    ("informer.pinqueue.weight_bucket_size", "CLUSTER_PINQUEUE_WEIGHTBUCKETSIZE", false, "100000"),
    ("observations.metrics.enable_stats", "CLUSTER_METRICS_ENABLESTATS", false, "false"),
    (
        "observations.metrics.prometheus_endpoint",
        "CLUSTER_METRICS_PROMETHEUSENDPOINT",
        false,
        r#""/ip4/127.0.0.1/tcp/8888""#,
    ),
    ("observations.metrics.reporting_interval", "CLUSTER_METRICS_REPORTINGINTERVAL", false, r#""30s""#),
    ("observations.tracing.enable_tracing", "CLUSTER_TRACING_ENABLETRACING", false, "false"),
    (
        "observations.tracing.jaeger_agent_endpoint",
        "CLUSTER_TRACING_JAEGERAGENTENDPOINT",
        false,
        r#""/ip4/0.0.0.0/udp/6831""#,
    ),
    ("observations.tracing.sampling_prob", "CLUSTER_TRACING_SAMPLINGPROB", false, "0.3"),
    ("observations.tracing.service_name", "CLUSTER_TRACING_SERVICENAME", false, r#""cluster-daemon""#),
];

/// Keys that the reference does not have.
const OURS: &[&str] = &[
    "cluster.secret_file",
    "api.restapi.private_key_file",
    "api.restapi.basic_auth_credentials_file",
    "api.pinsvcapi.private_key_file",
    "api.pinsvcapi.basic_auth_credentials_file",
    "datastore.fjall.folder",
    "datastore.fjall.memory_budget",
    "datastore.sled.folder",
    "datastore.sled.memory_budget",
];

#[test]
fn every_key_has_the_variable_and_the_default_of_the_reference() {
    let on = |consensus| {
        Config::initial_on(EngineKind::Fjall, consensus, Path::new("/nowhere"), &nothing()).unwrap()
    };
    let (config, with_raft) = (on(ConsensusKind::Crdt), on(ConsensusKind::Raft));
    let mut wrong = Vec::new();
    for (path, variable, hidden, default) in ROWS {
        let Some((section, key)) = keys::find(path) else {
            wrong.push(format!("{path} is missing"));
            continue;
        };
        let found = (keys::variable(section, key), key.hidden);
        if (found.0.as_str(), found.1) != (*variable, *hidden) {
            wrong.push(format!("{path}: {found:?}"));
        }
        let config = if path.starts_with("consensus.raft") { &with_raft } else { &config };
        let found = effective(config, path);
        if !default.is_empty() && found != serde_json::from_str::<Value>(default).unwrap() {
            wrong.push(format!("{path}: the default is {found}"));
        }
    }
    assert_eq!(effective(&config, "datastore.fjall.folder"), "store");
    assert_eq!(effective(&config, "datastore.fjall.memory_budget"), "96MiB");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let known: BTreeSet<String> =
        ROWS.iter().map(|(path, ..)| *path).chain(OURS.iter().copied()).map(str::to_owned).collect();
    assert_eq!(keys::paths().collect::<BTreeSet<_>>(), known);
}
