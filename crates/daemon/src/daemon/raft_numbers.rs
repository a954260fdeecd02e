//! Numbers of Raft for Prometheus, read where they are kept when somebody asks.

use cluster_core::ports::{
    Consensus,
    consensus::{RaftHealth, RaftState},
};
use prometheus::{
    IntGauge, Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use std::sync::Arc;

type Read = fn(&RaftHealth) -> u64;

/// Reads how Raft stands.
pub(super) struct RaftNumbers {
    consensus: Arc<dyn Consensus>,
    gauges: Vec<(IntGauge, Read)>,
}

impl RaftNumbers {
    /// Makes the numbers and registers them.
    ///
    /// # Errors
    /// When the registry has numbers of these names.
    pub(super) fn register(registry: &Registry, consensus: Arc<dyn Consensus>) -> prometheus::Result<()> {
        let gauges: [(&str, &str, Read); 8] = [
            ("term", "Term of the leader that this peer knows", |raft| raft.term),
            ("leader", "Whether this peer leads", |raft| u64::from(raft.state == RaftState::Leader)),
            ("ready", "Whether the pinset of this peer is fit to be read", |raft| u64::from(raft.is_ready)),
            ("last_index", "Last entry of this peer's log", |raft| raft.last.unwrap_or(0)),
            ("committed_index", "Last entry that a majority is known to hold", |raft| {
                raft.committed.unwrap_or(0)
            }),
            ("applied_index", "Last entry that this peer's pinset has carried out", |raft| {
                raft.applied.unwrap_or(0)
            }),
            ("lag", "Entries that are committed and not carried out yet", RaftHealth::lag),
            ("log_entries", "Entries in this peer's log", |raft| raft.log_entries),
        ];
        let gauges = gauges
            .into_iter()
            .map(|(name, help, read)| Ok((IntGauge::new(format!("ipfscluster_raft_{name}"), help)?, read)))
            .collect::<prometheus::Result<_>>()?;
        registry.register(Box::new(Self { consensus, gauges }))
    }
}

impl Collector for RaftNumbers {
    fn desc(&self) -> Vec<&Desc> {
        self.gauges.iter().flat_map(|(gauge, _)| gauge.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Some(health) = self.consensus.raft_health() else { return Vec::new() };
        let families = self.gauges.iter().map(|(gauge, read)| {
            gauge.set(i64::try_from(read(&health)).unwrap_or(i64::MAX));
            gauge.collect()
        });
        families.flatten().collect()
    }
}
