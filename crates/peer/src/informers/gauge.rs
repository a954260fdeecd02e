//! What is measured, and what comes out.

use super::InformersParts;
use crate::PingValue;
use cluster_core::{
    metric::PING,
    pinset::{
        TrackedState,
        counters::{Counter, Counters},
    },
    ports::{Datastore, cluster_api::ApiError, datastore::StoreError, ipfs_connector::RepoStat},
    tracker::{Action, InFlight},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Least time between two measurements, whatever is configured.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// Tells the space of the IPFS daemon's repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskInformer {
    /// How long a value is good for.
    pub metric_ttl: Duration,
    /// What is told.
    pub metric: DiskMetric,
}

/// Which side of the repository's space is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskMetric {
    /// Bytes left, the more the better.
    FreeSpace,
    /// Bytes used, the fewer the better.
    RepoSize,
}

/// Tells names and values for placement, each as the metric `tag:<name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagsInformer {
    /// How long a value is good for.
    pub metric_ttl: Duration,
    /// The tags.
    pub tags: BTreeMap<String, String>,
}

/// Tells how many pins wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinqueueInformer {
    /// How long a value is good for.
    pub metric_ttl: Duration,
    /// Queues within one step of this size count as equal; 0 compares exactly.
    pub weight_bucket_size: u64,
}

/// One thing that is measured.
pub(super) enum Gauge<'a> {
    Ping { peername: &'a str, interval: Duration },
    Disk(&'a DiskInformer),
    Tags(&'a TagsInformer),
    Pinqueue(&'a PinqueueInformer),
}

/// What a measurement says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) weight: i64,
    pub(super) partitionable: bool,
}

impl Gauge<'_> {
    /// Returns how long a reading is good for.
    pub(super) fn ttl(&self) -> Duration {
        match self {
            Self::Ping { interval, .. } => interval.saturating_mul(2),
            Self::Disk(disk) => disk.metric_ttl,
            Self::Tags(tags) => tags.metric_ttl,
            Self::Pinqueue(queue) => queue.metric_ttl,
        }
    }

    pub(super) fn pause(&self) -> Duration {
        (self.ttl() / 2).max(SHORTEST_PAUSE)
    }

    pub(super) fn pause_after_failure(&self) -> Duration {
        (self.ttl() / 4).max(SHORTEST_PAUSE)
    }

    /// Measures. What would not be valid is left out.
    ///
    /// # Errors
    /// When the daemon or the store does not answer.
    pub(super) async fn read(&self, parts: &InformersParts) -> Result<Vec<Reading>, ApiError> {
        Ok(match self {
            Self::Ping { peername, .. } => {
                let value = PingValue::new(peername, (*parts.watch.last()).as_ref()).encode();
                vec![Reading { name: PING.to_owned(), value, weight: 0, partitionable: false }]
            }
            Self::Disk(disk) => disk.metric.reading(parts.ipfs.repo_stat().await?).into_iter().collect(),
            Self::Tags(tags) => tags.tags.iter().map(tag).collect(),
            Self::Pinqueue(queue) => {
                let (store, in_flight) = (parts.store.clone(), parts.in_flight.clone());
                let queued = tokio::task::spawn_blocking(move || queued(&store, &in_flight)).await;
                vec![queue.reading(queued.map_err(|_| ApiError::Stopping)??)]
            }
        })
    }
}

impl DiskMetric {
    /// A full repository has no valid free space.
    fn reading(self, RepoStat { repo_size, storage_max }: RepoStat) -> Option<Reading> {
        let (name, bytes) = match self {
            Self::FreeSpace => ("freespace", storage_max.checked_sub(repo_size).filter(|free| *free > 0)?),
            Self::RepoSize => ("reposize", repo_size),
        };
        let weight = i64::try_from(bytes).unwrap_or(i64::MAX);
        let weight = if self == Self::RepoSize { -weight } else { weight };
        Some(Reading { name: name.to_owned(), value: bytes.to_string(), weight, partitionable: false })
    }
}

impl PinqueueInformer {
    fn reading(&self, queued: u64) -> Reading {
        let steps = queued.checked_div(self.weight_bucket_size).unwrap_or(queued);
        Reading {
            name: "pinqueue".to_owned(),
            value: queued.to_string(),
            weight: -i64::try_from(steps).unwrap_or(i64::MAX),
            partitionable: false,
        }
    }
}

fn tag((name, value): (&String, &String)) -> Reading {
    Reading { name: format!("tag:{name}"), value: value.clone(), weight: 0, partitionable: true }
}

/// Counts the pins that wait; those that are worked on still have the row of a queued one.
fn queued(store: &Arc<dyn Datastore>, in_flight: &InFlight) -> Result<u64, StoreError> {
    let snapshot = store.snapshot()?;
    let mut queued = 0;
    for state in [TrackedState::PinQueuedPriority, TrackedState::PinQueued] {
        queued += Counters::read(&*snapshot, Counter::State(state))?;
    }
    let running = in_flight.all().into_values().filter(|request| request.action == Action::Pin).count();
    Ok(queued.saturating_sub(u64::try_from(running).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(name: &str, value: &str, weight: i64) -> Reading {
        Reading { name: name.to_owned(), value: value.to_owned(), weight, partitionable: false }
    }

    #[test]
    fn space_is_told_while_there_is_some() {
        let of = |repo_size, storage_max| DiskMetric::FreeSpace.reading(RepoStat { repo_size, storage_max });
        assert_eq!(of(100, 1100), Some(reading("freespace", "1000", 1000)));
        assert_eq!(of(99, 100), Some(reading("freespace", "1", 1)));
        assert_eq!(of(100, 100), None);
        assert_eq!(of(101, 100), None);
        assert_eq!(of(0, u64::MAX), Some(reading("freespace", "18446744073709551615", i64::MAX)));
        let used = DiskMetric::RepoSize.reading(RepoStat { repo_size: 101, storage_max: 100 });
        assert_eq!(used, Some(reading("reposize", "101", -101)));
    }

    #[test]
    fn queues_weigh_by_steps() {
        let of = |weight_bucket_size, queued| {
            PinqueueInformer { metric_ttl: Duration::ZERO, weight_bucket_size }.reading(queued)
        };
        assert_eq!(of(100_000, 99_999), reading("pinqueue", "99999", 0));
        assert_eq!(of(100_000, 250_000), reading("pinqueue", "250000", -2));
        assert_eq!(of(0, 7), reading("pinqueue", "7", -7));
        assert_eq!(of(0, u64::MAX).weight, -i64::MAX);
    }
}
