//! Keys of the smaller components (api §6.8, §6.9) and of the datastore.

use crate::config::key::{Key, Kind, Section};

pub(super) const IPFSHTTP: Section = Section {
    path: "ipfs_connector.ipfshttp",
    env: "CLUSTER_IPFSHTTP",
    optional: false,
    doc: "The IPFS daemon that holds the content.",
    keys: &[
        Key::new("node_multiaddress", "NODEMULTIADDRESS", Kind::Multiaddr, "Its RPC API."),
        Key::new(
            "connect_swarms_delay",
            "CONNECTSWARMSDELAY",
            Kind::Duration,
            "Connect it to the daemons of the other peers after this time; 0s does not.",
        ),
        Key::new(
            "ipfs_request_timeout",
            "IPFSREQUESTTIMEOUT",
            Kind::Duration,
            "Longest an ordinary call may take.",
        ),
        Key::new("pin_timeout", "PINTIMEOUT", Kind::Duration, "Longest a pin may go without progress."),
        Key::new("unpin_timeout", "UNPINTIMEOUT", Kind::Duration, "Longest an unpin may take."),
        Key::new("repogc_timeout", "REPOGCTIMEOUT", Kind::Duration, "Longest a garbage collection may take."),
        Key::new(
            "informer_trigger_interval",
            "INFORMERTRIGGERINTERVAL",
            Kind::Integer,
            "Publish free space after so many pins, out of turn; 0 never.",
        ),
        Key::hidden("unpin_disable", "UNPINDISABLE", Kind::Bool, "Never unpin anything."),
    ],
};

pub(super) const STATELESS: Section = Section {
    path: "pin_tracker.stateless",
    env: "CLUSTER_STATELESS",
    optional: false,
    doc: "Carries the pinset out on the IPFS daemon.",
    keys: &[
        Key::hidden("max_pin_queue_size", "MAXPINQUEUESIZE", Kind::Integer, "Pins that may wait in a queue."),
        Key::new("concurrent_pins", "CONCURRENTPINS", Kind::Integer, "Pins worked on at the same time."),
        Key::new(
            "priority_pin_max_age",
            "PRIORITYPINMAXAGE",
            Kind::Duration,
            "Pins younger and with fewer attempts than this go first.",
        ),
        Key::new("priority_pin_max_retries", "PRIORITYPINMAXRETRIES", Kind::Integer, ""),
    ],
};

pub(super) const PUBSUBMON: Section = Section {
    path: "monitor.pubsubmon",
    env: "CLUSTER_PUBSUBMON",
    optional: false,
    doc: "Watches the metrics of all peers.",
    keys: &[Key::new(
        "check_interval",
        "CHECKINTERVAL",
        Kind::Duration,
        "How often expired metrics are looked for.",
    )],
};

pub(super) const BALANCED: Section = Section {
    path: "allocator.balanced",
    env: "CLUSTER_BALANCED",
    optional: true,
    doc: "Chooses the peers of a pin.",
    keys: &[Key::new("allocate_by", "ALLOCATEBY", Kind::Texts, "Metrics that decide, the first one first.")],
};

pub(super) const DISK: Section = Section {
    path: "informer.disk",
    env: "CLUSTER_DISK",
    optional: true,
    doc: "Tells the others how much space this peer has.",
    keys: &[
        Key::new("metric_ttl", "METRICTTL", Kind::Duration, "How long a value is good for."),
        Key::new("metric_type", "METRICTYPE", Kind::Text, "freespace or reposize."),
    ],
};

pub(super) const TAGS: Section = Section {
    path: "informer.tags",
    env: "CLUSTER_TAGS",
    optional: true,
    doc: "Tells the others where this peer stands; allocation spreads pins over different values.",
    keys: &[
        Key::new("metric_ttl", "METRICTTL", Kind::Duration, "How long a value is good for."),
        Key::new("tags", "TAGS", Kind::Map, "Names and values, such as a region."),
    ],
};

pub(super) const PINQUEUE: Section = Section {
    path: "informer.pinqueue",
    env: "CLUSTER_PINQUEUE",
    optional: true,
    doc: "Tells the others how much pinning work waits here.",
    keys: &[
        Key::new("metric_ttl", "METRICTTL", Kind::Duration, "How long a value is good for."),
        Key::new(
            "weight_bucket_size",
            "WEIGHTBUCKETSIZE",
            Kind::Integer,
            "Queues count as equal within steps of this size.",
        ),
    ],
};

pub(super) const METRICS: Section = Section {
    path: "observations.metrics",
    env: "CLUSTER_METRICS",
    optional: false,
    doc: "Numbers for Prometheus.",
    keys: &[
        Key::new("enable_stats", "ENABLESTATS", Kind::Bool, "Serve them."),
        Key::new("prometheus_endpoint", "PROMETHEUSENDPOINT", Kind::Multiaddr, "Where."),
        Key::new(
            "reporting_interval",
            "REPORTINGINTERVAL",
            Kind::Duration,
            "How often they are brought up to date.",
        ),
    ],
};

pub(super) const TRACING: Section = Section {
    path: "observations.tracing",
    env: "CLUSTER_TRACING",
    optional: false,
    doc: "Traces of requests.",
    keys: &[
        Key::new("enable_tracing", "ENABLETRACING", Kind::Bool, "Send them."),
        Key::new("jaeger_agent_endpoint", "JAEGERAGENTENDPOINT", Kind::Multiaddr, "Where to."),
        Key::new("sampling_prob", "SAMPLINGPROB", Kind::Float, "Share of the requests, between 0 and 1."),
        Key::new("service_name", "SERVICENAME", Kind::Text, "Name they are filed under."),
    ],
};

/// The store's own section; that of the default engine is there when no other is.
pub(super) const FJALL: Section = Section {
    path: "datastore.fjall",
    env: "CLUSTER_FJALL",
    optional: true,
    doc: "Where the pinset is stored.",
    keys: STORE_KEYS,
};

pub(super) const SLED: Section = Section {
    path: "datastore.sled",
    env: "CLUSTER_SLED",
    optional: true,
    doc: "Where the pinset is stored, with the engine sled in place of fjall.",
    keys: STORE_KEYS,
};

const STORE_KEYS: &[Key] = &[
    Key::new("folder", "FOLDER", Kind::Text, "Folder, seen from the one of this file."),
    Key::new(
        "memory_budget",
        "MEMORYBUDGET",
        Kind::Size,
        "Memory the store may use; more makes large pinsets faster.",
    ),
];
