//! Status of pins (api §2.6).

use crate::{AddrText, CidText, PeerText, Timestamp};
use cluster_core::TrackerStatus;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Status of a pin on one peer, without the pin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinInfoShort {
    /// Display name of the cluster peer.
    #[serde(default)]
    pub peername: String,
    /// Its IPFS daemon; left out when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipfs_peer_id: Option<PeerText>,
    /// Addresses of that daemon; left out when there are none.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub ipfs_peer_addresses: Option<Vec<AddrText>>,
    /// The status.
    #[serde(with = "crate::names::tracker_status", default = "crate::names::tracker_status::undefined")]
    pub status: TrackerStatus,
    /// Since when.
    #[serde(default)]
    pub timestamp: Timestamp,
    /// The last error; empty when there is none.
    #[serde(default)]
    pub error: String,
    /// Attempts made so far.
    #[serde(default)]
    pub attempt_count: u32,
    /// Whether the pin is in the priority lane.
    #[serde(default)]
    pub priority_pin: bool,
}

fn is_empty(addresses: &Option<Vec<AddrText>>) -> bool {
    addresses.as_ref().is_none_or(Vec::is_empty)
}

/// Status of a pin on one peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinInfo {
    /// What is pinned.
    #[serde(default)]
    pub cid: CidText,
    /// Display name of the pin.
    #[serde(default)]
    pub name: String,
    /// The cluster peer.
    #[serde(default)]
    pub peer: PeerText,
    /// Peers that hold it.
    #[serde(default)]
    pub allocations: Option<Vec<PeerText>>,
    /// Addresses of peers known to have the content.
    #[serde(default)]
    pub origins: Option<Vec<AddrText>>,
    /// When the pin was made.
    #[serde(default)]
    pub created: Timestamp,
    /// Free key-value pairs.
    #[serde(default)]
    pub metadata: Option<BTreeMap<String, String>>,
    /// The status.
    #[serde(flatten)]
    pub short: PinInfoShort,
}

/// Status of a pin on all peers asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GlobalPinInfo {
    /// What is pinned.
    pub cid: CidText,
    /// Display name of the pin.
    pub name: String,
    /// Peers that hold it.
    pub allocations: Option<Vec<PeerText>>,
    /// Addresses of peers known to have the content.
    pub origins: Option<Vec<AddrText>>,
    /// When the pin was made.
    pub created: Timestamp,
    /// Free key-value pairs.
    pub metadata: Option<BTreeMap<String, String>>,
    /// Status by cluster peer.
    pub peer_map: Option<BTreeMap<PeerText, PinInfoShort>>,
}

impl GlobalPinInfo {
    /// Walks the peers in the order of their IDs.
    pub fn peers(&self) -> impl Iterator<Item = (&PeerText, &PinInfoShort)> {
        self.peer_map.iter().flatten()
    }
}
