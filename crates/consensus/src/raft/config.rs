//! How a member of a Raft cluster behaves.

use cluster_core::{PeerId, ReplicationFactors};
use openraft::SnapshotPolicy;
use std::time::Duration;

/// Entries a new member may lack and still count as caught up.
const LAG: u64 = 1000;

/// Settings of one member.
#[derive(Debug, Clone)]
pub struct RaftConfig {
    /// This peer.
    pub local: PeerId,
    /// Factors of pins that name none, for changes submitted here.
    pub replication: ReplicationFactors,
    /// How often a leader says that it is there; a third of the election timeout or less.
    pub heartbeat: Duration,
    /// How long a follower waits at least for a leader before it stands for election itself.
    pub election: Duration,
    /// How long it waits at most: the moment is random, so that two seldom stand at once.
    pub election_max: Duration,
    /// Entries sent in one request at most.
    pub max_append_entries: u64,
    /// How long a submission waits for a leader.
    pub leader_wait: Duration,
    /// How long a submission waits for its outcome, all in all.
    pub submit_wait: Duration,
    /// How long a read that has to be up to date waits until it is.
    pub barrier_wait: Duration,
    /// Entries after which a snapshot is noted.
    pub snapshot_threshold: u64,
    /// Entries kept in the log behind a snapshot, for members that were away for a while.
    pub trailing_logs: u64,
}

impl RaftConfig {
    /// Makes the settings that openraft takes.
    ///
    /// # Errors
    /// When the times do not go together.
    pub(super) fn openraft(&self) -> Result<openraft::Config, openraft::ConfigError> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 4);
        openraft::Config {
            cluster_name: "cluster".to_owned(),
            heartbeat_interval: millis(self.heartbeat),
            election_timeout_min: millis(self.election),
            election_timeout_max: millis(self.election_max),
            max_payload_entries: self.max_append_entries,
            replication_lag_threshold: LAG,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.snapshot_threshold),
            max_in_snapshot_log_to_keep: self.trailing_logs,
            enable_pre_vote: Some(true),
            // A member that holds less than it told is given the rest again; one that holds nothing has no vote then (`entering`).
            allow_log_reversion: Some(true),
            // It would answer reads by what it knew to be committed before, which is noted without a flush.
            enable_leader_restore: Some(false),
            ..openraft::Config::default()
        }
        .validate()
    }
}
