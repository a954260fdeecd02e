//! Keys of `consensus` (api §6.4).

use crate::config::key::{Key, Kind, Section};

pub(super) const CRDT: Section = Section {
    path: "consensus.crdt",
    env: "CLUSTER_CRDT",
    optional: false,
    doc: "How peers agree on the pinset.",
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
