//! Metrics and alerts (api §2.7).

use crate::{PeerText, Timestamp};
use serde::{Deserialize, Serialize};

/// One measurement of one peer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Metric {
    /// Such as `freespace` or `ping`.
    pub name: String,
    /// The peer measured.
    pub peer: PeerText,
    /// The value.
    pub value: String,
    /// Until when it holds, in Unix nanoseconds.
    pub expire: i64,
    /// Whether it holds at all.
    pub valid: bool,
    /// Rank for allocation.
    pub weight: i64,
    /// Whether peers are grouped by it.
    pub partitionable: bool,
    /// When it arrived, in Unix nanoseconds.
    pub received_at: i64,
}

/// A metric that expired without a successor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Alert {
    /// The metric.
    #[serde(flatten)]
    pub metric: Metric,
    /// When that was noticed.
    pub triggered_at: Timestamp,
}
