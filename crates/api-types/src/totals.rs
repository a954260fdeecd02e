//! How many pins there are. Not in the Go suite.

use cluster_core::ports::browse_api::Totals as CoreTotals;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Numbers of pins; what does not occur has no key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// All entries of the pinset.
    pub pins: u64,
    /// Entries of each type.
    pub types: BTreeMap<String, u64>,
    /// Pins in each status on the peer that answers.
    pub statuses: BTreeMap<String, u64>,
    /// Pins that name a peer among their allocations; those that every peer holds name none.
    pub allocations: BTreeMap<String, u64>,
}

impl From<&CoreTotals> for Totals {
    fn from(totals: &CoreTotals) -> Self {
        Self {
            pins: totals.kinds.iter().map(|(_, total)| total).sum(),
            types: totals.kinds.iter().map(|(kind, total)| (kind.name().to_owned(), *total)).collect(),
            statuses: totals
                .statuses
                .iter()
                .map(|(status, total)| (status.name().to_owned(), *total))
                .collect(),
            allocations: totals.peers.iter().map(|(peer, total)| (peer.to_base58(), *total)).collect(),
        }
    }
}
