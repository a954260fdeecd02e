//! The `informer` group (api §6.9).

use super::{
    checker::Checker,
    node::quote,
    raw::{RawDisk, RawInformer, RawPinqueue, RawTags},
};
use cluster_core::go_duration::print;
use std::{collections::BTreeMap, time::Duration};

/// Settings of the informers; `None` does not run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InformersConfig {
    /// Space of the repository.
    pub disk: Option<DiskConfig>,
    /// Names and values for placement.
    pub tags: Option<TagsConfig>,
    /// Work that waits.
    pub pinqueue: Option<PinqueueConfig>,
}

/// Settings of the disk informer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskConfig {
    /// How long a value is good for.
    pub metric_ttl: Duration,
    /// What is measured.
    pub metric_type: DiskMetric,
}

/// What the disk informer measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskMetric {
    /// Bytes left.
    FreeSpace,
    /// Bytes used.
    RepoSize,
}

/// Settings of the tags informer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagsConfig {
    /// How long a value is good for.
    pub metric_ttl: Duration,
    /// The tags.
    pub tags: BTreeMap<String, String>,
}

/// Settings of the queue informer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinqueueConfig {
    /// How long a value is good for.
    pub metric_ttl: Duration,
    /// Step within which queues count as equal; 0 compares exactly.
    pub weight_bucket_size: u64,
}

impl DiskMetric {
    /// Returns the name of the metric.
    pub fn name(self) -> &'static str {
        match self {
            Self::FreeSpace => "freespace",
            Self::RepoSize => "reposize",
        }
    }
}

impl InformersConfig {
    pub(crate) fn parse(raw: RawInformer, check: &mut Checker<'_>) -> Self {
        Self {
            disk: raw.disk.map(|raw| parse_disk(&raw, check.enter("informer.disk"))),
            tags: raw.tags.map(|raw| parse_tags(raw, check.enter("informer.tags"))),
            pinqueue: raw.pinqueue.map(|raw| parse_pinqueue(&raw, check.enter("informer.pinqueue"))),
        }
    }

    pub(crate) fn to_raw(&self) -> RawInformer {
        RawInformer {
            disk: self.disk.as_ref().map(|disk| RawDisk {
                metric_ttl: Some(print(disk.metric_ttl)),
                metric_type: Some(disk.metric_type.name().to_owned()),
            }),
            tags: self.tags.as_ref().map(|tags| RawTags {
                metric_ttl: Some(print(tags.metric_ttl)),
                tags: Some(tags.tags.clone()),
            }),
            pinqueue: self.pinqueue.as_ref().map(|queue| RawPinqueue {
                metric_ttl: Some(print(queue.metric_ttl)),
                weight_bucket_size: i64::try_from(queue.weight_bucket_size).ok(),
            }),
        }
    }
}

/// How long a value of any informer is good for.
const METRIC_TTL: Duration = Duration::from_secs(30);

fn parse_disk(raw: &RawDisk, check: &mut Checker<'_>) -> DiskConfig {
    let metric_type = match raw.metric_type.as_deref() {
        None | Some("" | "freespace") => DiskMetric::FreeSpace,
        Some("reposize") => DiskMetric::RepoSize,
        Some(other) => {
            check.reject("metric_type", quote(other), "\"freespace\" or \"reposize\"");
            DiskMetric::FreeSpace
        }
    };
    DiskConfig { metric_ttl: check.positive("metric_ttl", raw.metric_ttl.as_ref(), METRIC_TTL), metric_type }
}

fn parse_tags(raw: RawTags, check: &mut Checker<'_>) -> TagsConfig {
    let default = || BTreeMap::from([("group".to_owned(), "default".to_owned())]);
    TagsConfig {
        metric_ttl: check.positive("metric_ttl", raw.metric_ttl.as_ref(), METRIC_TTL),
        tags: raw.tags.unwrap_or_else(default),
    }
}

fn parse_pinqueue(raw: &RawPinqueue, check: &mut Checker<'_>) -> PinqueueConfig {
    PinqueueConfig {
        metric_ttl: check.positive("metric_ttl", raw.metric_ttl.as_ref(), METRIC_TTL),
        weight_bucket_size: check.integer("weight_bucket_size", raw.weight_bucket_size, 100_000, 0),
    }
}
