//! The `consensus.raft` section (api §6.5).

use crate::config::{
    checker::{Checker, text_or},
    raw::RawRaft,
};
use cluster_core::{PeerId, go_duration::print};
use std::time::Duration;

/// Below this the processes of a busy machine are slower than Raft's clock.
const LEAST_HEARTBEAT: Duration = Duration::from_millis(5);

/// Changes in one message of a leader at most.
const MOST_ENTRIES: u64 = 1024;

/// Settings of Raft. Of those that have no effect the value is kept, for the Go suite and for the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaftConfig {
    /// The first members besides this peer.
    pub init_peerset: Vec<PeerId>,
    /// How long a change waits for a leader.
    pub wait_for_leader_timeout: Duration,
    /// How long a change waits for its outcome once there is a leader.
    pub network_timeout: Duration,
    /// Without effect.
    pub commit_retries: u64,
    /// Without effect.
    pub commit_retry_delay: Duration,
    /// Folders of old state that are kept.
    pub backups_rotate: u32,
    /// How long a peer hears nothing of the leader before it stands for election.
    pub heartbeat_timeout: Duration,
    /// How long an election may take.
    pub election_timeout: Duration,
    /// Without effect.
    pub commit_timeout: Duration,
    /// Changes in one message of the leader.
    pub max_append_entries: u64,
    /// Changes kept in the log behind a snapshot.
    pub trailing_logs: u64,
    /// Without effect.
    pub snapshot_interval: Duration,
    /// Changes after which a snapshot is noted.
    pub snapshot_threshold: u64,
    /// Without effect.
    pub leader_lease_timeout: Duration,
    /// Where the Go suite keeps its Raft; without effect.
    pub data_folder: String,
    /// Without effect.
    pub datastore_namespace: String,
}

impl RaftConfig {
    pub(crate) fn parse(raw: &RawRaft, check: &mut Checker<'_>) -> Self {
        let millis = Duration::from_millis;
        let texts = raw.init_peerset.iter().flatten();
        let init_peerset = texts.filter_map(|text| check.peer("init_peerset", text, "")).collect();
        let mut positive =
            |key: &str, raw: &Option<String>, default| check.positive(key, raw.as_ref(), default);
        let wait_for_leader_timeout =
            positive("wait_for_leader_timeout", &raw.wait_for_leader_timeout, millis(15_000));
        let network_timeout = positive("network_timeout", &raw.network_timeout, millis(10_000));
        let commit_retry_delay = positive("commit_retry_delay", &raw.commit_retry_delay, millis(200));
        let heartbeat_timeout = positive("heartbeat_timeout", &raw.heartbeat_timeout, millis(1000));
        let election_timeout = positive("election_timeout", &raw.election_timeout, millis(1000));
        let commit_timeout = positive("commit_timeout", &raw.commit_timeout, millis(50));
        let snapshot_interval = positive("snapshot_interval", &raw.snapshot_interval, millis(120_000));
        let leader_lease_timeout = positive("leader_lease_timeout", &raw.leader_lease_timeout, millis(500));
        if heartbeat_timeout < LEAST_HEARTBEAT {
            check.reject("heartbeat_timeout", print(heartbeat_timeout), "a duration of at least \"5ms\"");
        }
        if election_timeout < heartbeat_timeout {
            let expected = "a duration that is not below heartbeat_timeout";
            check.reject("election_timeout", print(election_timeout), expected);
        }
        let max_append_entries = check.integer("max_append_entries", raw.max_append_entries, 64, 1);
        if max_append_entries > MOST_ENTRIES {
            let expected = format!("a whole number from 1 to {MOST_ENTRIES}");
            check.reject("max_append_entries", max_append_entries.to_string(), expected);
        }
        Self {
            init_peerset,
            wait_for_leader_timeout,
            network_timeout,
            commit_retries: check.integer("commit_retries", raw.commit_retries, 1, 0),
            commit_retry_delay,
            backups_rotate: check.integer("backups_rotate", raw.backups_rotate, 6, 1),
            heartbeat_timeout,
            election_timeout,
            commit_timeout,
            max_append_entries,
            trailing_logs: check.integer("trailing_logs", raw.trailing_logs, 10_240, 0),
            snapshot_interval,
            snapshot_threshold: check.integer("snapshot_threshold", raw.snapshot_threshold, 8192, 1),
            leader_lease_timeout,
            data_folder: text_or(raw.data_folder.clone(), ""),
            datastore_namespace: text_or(raw.datastore_namespace.clone(), "/r"),
        }
    }

    pub(crate) fn to_raw(&self) -> RawRaft {
        let number = |n: u64| Some(i64::try_from(n).unwrap_or(i64::MAX));
        RawRaft {
            init_peerset: Some(self.init_peerset.iter().map(PeerId::to_string).collect()),
            wait_for_leader_timeout: Some(print(self.wait_for_leader_timeout)),
            network_timeout: Some(print(self.network_timeout)),
            commit_retries: number(self.commit_retries),
            commit_retry_delay: Some(print(self.commit_retry_delay)),
            backups_rotate: number(self.backups_rotate.into()),
            heartbeat_timeout: Some(print(self.heartbeat_timeout)),
            election_timeout: Some(print(self.election_timeout)),
            commit_timeout: Some(print(self.commit_timeout)),
            max_append_entries: number(self.max_append_entries),
            trailing_logs: number(self.trailing_logs),
            snapshot_interval: Some(print(self.snapshot_interval)),
            snapshot_threshold: number(self.snapshot_threshold),
            leader_lease_timeout: Some(print(self.leader_lease_timeout)),
            data_folder: Some(self.data_folder.clone()),
            datastore_namespace: Some(self.datastore_namespace.clone()),
        }
    }
}
