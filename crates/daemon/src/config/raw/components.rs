//! Raw keys of the smaller components (api §6.8, §6.9) and of the datastore.

use super::raw_keys;
use std::collections::BTreeMap;

raw_keys! {
    RawIpfsHttp {
        node_multiaddress: String,
        connect_swarms_delay: String,
        ipfs_request_timeout: String,
        pin_timeout: String,
        unpin_timeout: String,
        repogc_timeout: String,
        informer_trigger_interval: i64,
        unpin_disable: bool,
    }
    RawStateless {
        max_pin_queue_size: i64,
        concurrent_pins: i64,
        priority_pin_max_age: String,
        priority_pin_max_retries: i64,
    }
    RawPubsubmon { check_interval: String, }
    RawBalanced { allocate_by: Vec<String>, }
    RawDisk { metric_ttl: String, metric_type: String, }
    RawTags { metric_ttl: String, tags: BTreeMap<String, String>, }
    RawPinqueue { metric_ttl: String, weight_bucket_size: i64, }
    RawMetrics { enable_stats: bool, prometheus_endpoint: String, reporting_interval: String, }
    RawTracing {
        enable_tracing: bool,
        jaeger_agent_endpoint: String,
        sampling_prob: f64,
        service_name: String,
    }
    RawStore { folder: String, memory_budget: String, }
}
