//! Raw keys of `cluster`, `consensus.crdt` and `consensus.raft` (api §6.3 to §6.5).

use super::{SecretText, raw_keys};

raw_keys! {
    RawCluster {
        peername: String,
        secret: SecretText,
        secret_file: String,
        leave_on_shutdown: bool,
        listen_multiaddress: Vec<String>,
        announce_multiaddress: Vec<String>,
        no_announce_multiaddress: Vec<String>,
        enable_relay_hop: bool,
        dial_peer_timeout: String,
        state_sync_interval: String,
        pin_recover_interval: String,
        replication_factor_min: i64,
        replication_factor_max: i64,
        monitor_ping_interval: String,
        peer_watch_interval: String,
        mdns_interval: String,
        pin_only_on_trusted_peers: bool,
        pin_only_on_untrusted_peers: bool,
        disable_repinning: bool,
        follower_mode: bool,
        peerstore_file: String,
        peer_addresses: Vec<String>,
        ;
        connection_manager: RawConnectionManager,
        resource_manager: RawResourceManager,
        pubsub: RawPubsub,
    }
    RawConnectionManager { high_water: i64, low_water: i64, grace_period: String, }
    RawResourceManager { enabled: bool, memory_limit_bytes: i64, file_descriptors_limit: i64, }
    RawPubsub {
        seen_messages_ttl: String,
        heartbeat_interval: String,
        d_factor: i64,
        history_gossip: i64,
        history_length: i64,
        flood_publish: bool,
    }
    RawCrdt {
        cluster_name: String,
        trusted_peers: Vec<String>,
        repair_interval: String,
        rebroadcast_interval: String,
        peerset_metric: String,
        datastore_namespace: String,
        ;
        batching: RawBatching,
    }
    RawRaft {
        data_folder: String,
        init_peerset: Vec<String>,
        wait_for_leader_timeout: String,
        network_timeout: String,
        commit_retries: i64,
        commit_retry_delay: String,
        backups_rotate: i64,
        datastore_namespace: String,
        heartbeat_timeout: String,
        election_timeout: String,
        commit_timeout: String,
        max_append_entries: i64,
        trailing_logs: i64,
        snapshot_interval: String,
        snapshot_threshold: i64,
        leader_lease_timeout: String,
    }
    RawBatching { max_batch_size: i64, max_batch_age: String, max_queue_size: i64, }
}
