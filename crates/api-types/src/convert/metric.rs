//! Metrics and alerts, towards the wire.

use crate::{Alert, Metric, PeerText, Timestamp};
use cluster_core::{Metric as CoreMetric, ports::cluster_api::Alert as CoreAlert};

impl From<&CoreMetric> for Metric {
    fn from(metric: &CoreMetric) -> Self {
        Self {
            name: metric.name.clone(),
            peer: PeerText::from(&metric.peer),
            value: metric.value.clone(),
            expire: metric.expires.0,
            valid: metric.valid,
            weight: metric.weight,
            partitionable: metric.partitionable,
            received_at: metric.received_at.0,
        }
    }
}

impl From<&CoreAlert> for Alert {
    fn from(alert: &CoreAlert) -> Self {
        Self { metric: Metric::from(&alert.metric), triggered_at: Timestamp::from(alert.triggered_at) }
    }
}
