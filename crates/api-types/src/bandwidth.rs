//! Traffic of the swarm (api §2.7).

use cluster_core::ports::swarm::Traffic;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Traffic by protocol; `null` when there is no counter.
pub type BandwidthByProtocol = Option<BTreeMap<String, Bandwidth>>;

/// Traffic of one protocol.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Bandwidth {
    /// Bytes received.
    pub total_in: i64,
    /// Bytes sent.
    pub total_out: i64,
    /// Bytes a second received.
    pub rate_in: f64,
    /// Bytes a second sent.
    pub rate_out: f64,
}

impl From<&Traffic> for Bandwidth {
    fn from(traffic: &Traffic) -> Self {
        Self {
            total_in: i64::try_from(traffic.received).unwrap_or(i64::MAX),
            total_out: i64::try_from(traffic.sent).unwrap_or(i64::MAX),
            rate_in: traffic.rate_received,
            rate_out: traffic.rate_sent,
        }
    }
}
