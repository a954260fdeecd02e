//! Settings that are taken and have no effect here, each with the reason.

use super::{Config, RawConfig, toml_writer::at};

/// Keys that steer what does not exist here.
pub(super) const IDLE: &[(&str, &str)] = &[
    ("consensus.crdt.batching.max_queue_size", "changes wait on the disk, where no queue can be full"),
    ("consensus.crdt.peerset_metric", "who is in the cluster is always told by the metric ping"),
    (
        "consensus.crdt.datastore_namespace",
        "the store has an order of its own, and peers never exchange this prefix",
    ),
    ("consensus.raft.data_folder", "log and pinset are in the store"),
    ("consensus.raft.datastore_namespace", "the store has an order of its own"),
    (
        "consensus.raft.commit_retries",
        "a change is handed over again, for as long as wait_for_leader_timeout, whenever it certainly was not taken",
    ),
    ("consensus.raft.commit_retry_delay", "it is handed over again after a moment, whatever stands here"),
    ("consensus.raft.commit_timeout", "followers are told of a commit at once"),
    ("consensus.raft.snapshot_interval", "a snapshot is noted as soon as it is due"),
    (
        "consensus.raft.leader_lease_timeout",
        "for the latest state the leader asks the majority each time, and no lease is relied on",
    ),
    (
        "pin_tracker.stateless.max_pin_queue_size",
        "what is to be pinned is on the disk, where no queue can be full",
    ),
    ("observations.metrics.reporting_interval", "numbers are read at the moment when they are asked for"),
];

/// Says in a line for each what of the settings has no effect; those at their defaults ask for nothing.
pub(super) fn lines(config: &Config) -> Vec<String> {
    let json = |raw: RawConfig| serde_json::to_value(raw).unwrap_or_default();
    let (values, defaults) = (json(config.to_raw()), json(Config::default_values()));
    IDLE.iter()
        // One of a section that is not there asks for nothing.
        .filter(|(path, _)| at(&values, path).is_some_and(|value| Some(value) != at(&defaults, path)))
        .map(|(path, why)| format!("{path} has no effect here: {why}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::keys, IDLE};

    #[test]
    fn idle_keys_are_keys() {
        for (path, why) in IDLE {
            assert!(keys::find(path).is_some() && !why.is_empty(), "{path}");
        }
    }
}
