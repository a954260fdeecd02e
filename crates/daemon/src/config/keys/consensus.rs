//! Keys of `consensus` (api §6.4, §6.5).

use crate::config::key::{Key, Kind, Section};

pub(super) const CRDT: Section = Section {
    path: "consensus.crdt",
    env: "CLUSTER_CRDT",
    optional: true,
    doc: "How peers agree on the pinset: by a Merkle-CRDT.",
    keys: &[
        Key::new("cluster_name", "CLUSTERNAME", Kind::Text, "Peers of one cluster use the same name."),
        Key::new(
            "trusted_peers",
            "TRUSTEDPEERS",
            Kind::Texts,
            "Peer IDs whose changes are taken; \"*\" is everyone. Empty or left out: nobody but this peer.",
        ),
        Key::new(
            "repair_interval",
            "REPAIRINTERVAL",
            Kind::Duration,
            "How often a damaged history is looked for; 0s never.",
        ),
        Key::hidden(
            "rebroadcast_interval",
            "REBROADCASTINTERVAL",
            Kind::Duration,
            "How often heads are repeated.",
        ),
        Key::hidden("peerset_metric", "PEERSETMETRIC", Kind::Text, "Metric that says who is in the cluster."),
        Key::hidden(
            "datastore_namespace",
            "DATASTORENAMESPACE",
            Kind::Text,
            "Prefix of the keys peers exchange.",
        ),
        Key::new(
            "batching.max_batch_size",
            "BATCHING_MAXBATCHSIZE",
            Kind::Integer,
            "Collect so many changes, for so long, before other peers are told. On when both are above 0.",
        ),
        Key::new("batching.max_batch_age", "BATCHING_MAXBATCHAGE", Kind::Duration, ""),
        Key::hidden(
            "batching.max_queue_size",
            "BATCHING_MAXQUEUESIZE",
            Kind::Integer,
            "Changes that may wait.",
        ),
    ],
};

pub(super) const RAFT: Section = Section {
    path: "consensus.raft",
    env: "CLUSTER_RAFT",
    optional: true,
    doc: "How peers agree on the pinset: by Raft, in one order that a majority of them holds.",
    keys: &[
        Key::new(
            "init_peerset",
            "INITPEERSET",
            Kind::Texts,
            "Peer IDs of the first members besides this one. Once there is a cluster it says who its members are.",
        ),
        Key::new(
            "wait_for_leader_timeout",
            "WAITFORLEADERTIMEOUT",
            Kind::Duration,
            "How long a change waits for a leader.",
        ),
        Key::new(
            "network_timeout",
            "NETWORKTIMEOUT",
            Kind::Duration,
            "How long a change waits for its outcome once there is a leader.",
        ),
        Key::new(
            "commit_retries",
            "COMMITRETRIES",
            Kind::Integer,
            "Without effect: see wait_for_leader_timeout.",
        ),
        Key::new(
            "commit_retry_delay",
            "COMMITRETRYDELAY",
            Kind::Duration,
            "Without effect: see wait_for_leader_timeout.",
        ),
        Key::new(
            "backups_rotate",
            "BACKUPSROTATE",
            Kind::Integer,
            "How many folders of old state are kept when it is cleaned.",
        ),
        Key::new(
            "heartbeat_timeout",
            "HEARTBEATTIMEOUT",
            Kind::Duration,
            "How long a peer hears nothing of the leader before it stands for election; a leader is heard ten times as often.",
        ),
        Key::new(
            "election_timeout",
            "ELECTIONTIMEOUT",
            Kind::Duration,
            "How long an election may take before the next one.",
        ),
        Key::new(
            "commit_timeout",
            "COMMITTIMEOUT",
            Kind::Duration,
            "Without effect: a commit is told at once.",
        ),
        Key::new(
            "max_append_entries",
            "MAXAPPENDENTRIES",
            Kind::Integer,
            "Changes in one message of the leader.",
        ),
        Key::new(
            "trailing_logs",
            "TRAILINGLOGS",
            Kind::Integer,
            "Changes kept in the log behind a snapshot, for peers that were away for a while.",
        ),
        Key::new(
            "snapshot_interval",
            "SNAPSHOTINTERVAL",
            Kind::Duration,
            "Without effect: a snapshot costs nothing and is noted as soon as it is due.",
        ),
        Key::new(
            "snapshot_threshold",
            "SNAPSHOTTHRESHOLD",
            Kind::Integer,
            "Changes after which a snapshot is noted and the log may be cut.",
        ),
        Key::new(
            "leader_lease_timeout",
            "LEADERLEASETIMEOUT",
            Kind::Duration,
            "Without effect: whoever asks for the latest state makes the leader ask the majority.",
        ),
        Key::hidden(
            "data_folder",
            "DATAFOLDER",
            Kind::Text,
            "Without effect: log and pinset are in the store.",
        ),
        Key::hidden("datastore_namespace", "DATASTORENAMESPACE", Kind::Text, "Without effect."),
    ],
};
