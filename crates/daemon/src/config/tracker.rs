//! The `pin_tracker.stateless`, `monitor.pubsubmon` and `allocator.balanced` sections (api §6.9).

use super::{
    checker::Checker,
    raw::{RawBalanced, RawPubsubmon, RawStateless},
};
use cluster_core::go_duration::print;
use std::time::Duration;

/// Settings of the pin tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerConfig {
    /// Pins that may wait in a queue.
    pub max_pin_queue_size: usize,
    /// Pins worked on at the same time.
    pub concurrent_pins: usize,
    /// Pins younger than this go first…
    pub priority_pin_max_age: Duration,
    /// …while they were tried fewer times than this.
    pub priority_pin_max_retries: u32,
}

impl TrackerConfig {
    pub(crate) fn parse(raw: &RawStateless, check: &mut Checker<'_>) -> Self {
        let (queue, age) = (raw.max_pin_queue_size, raw.priority_pin_max_age.as_ref());
        let day = Duration::from_secs(24 * 3600);
        Self {
            max_pin_queue_size: check.integer("max_pin_queue_size", queue, 1_000_000, 1),
            concurrent_pins: check.integer("concurrent_pins", raw.concurrent_pins, 10, 1),
            priority_pin_max_age: check.positive("priority_pin_max_age", age, day),
            priority_pin_max_retries: check.integer(
                "priority_pin_max_retries",
                raw.priority_pin_max_retries,
                5,
                1,
            ),
        }
    }

    pub(crate) fn to_raw(&self) -> RawStateless {
        RawStateless {
            max_pin_queue_size: i64::try_from(self.max_pin_queue_size).ok(),
            concurrent_pins: i64::try_from(self.concurrent_pins).ok(),
            priority_pin_max_age: Some(print(self.priority_pin_max_age)),
            priority_pin_max_retries: Some(self.priority_pin_max_retries.into()),
        }
    }
}

/// Settings of the monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorConfig {
    /// Between two searches for expired metrics.
    pub check_interval: Duration,
}

impl MonitorConfig {
    pub(crate) fn parse(raw: &RawPubsubmon, check: &mut Checker<'_>) -> Self {
        let every = Duration::from_secs(15);
        Self { check_interval: check.positive("check_interval", raw.check_interval.as_ref(), every) }
    }

    pub(crate) fn to_raw(&self) -> RawPubsubmon {
        RawPubsubmon { check_interval: Some(print(self.check_interval)) }
    }
}

/// Settings of the allocator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocatorConfig {
    /// Names of the metrics that decide, the first one first; never empty.
    pub allocate_by: Vec<String>,
}

impl AllocatorConfig {
    /// Reads the section; without it free space alone decides (api §5.3).
    pub(crate) fn parse(raw: Option<RawBalanced>, check: &mut Checker<'_>) -> Self {
        let Some(raw) = raw else { return Self { allocate_by: vec!["freespace".to_owned()] } };
        let default = || vec!["tag:group".to_owned(), "freespace".to_owned()];
        let allocate_by = raw.allocate_by.unwrap_or_else(default);
        if allocate_by.is_empty() {
            check.reject("allocate_by", "an empty list", "at least one metric such as \"freespace\"");
        }
        Self { allocate_by }
    }

    pub(crate) fn to_raw(&self) -> RawBalanced {
        RawBalanced { allocate_by: Some(self.allocate_by.clone()) }
    }
}
