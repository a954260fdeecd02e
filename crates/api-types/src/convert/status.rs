//! Statuses, towards the wire.

use crate::{CidText, GlobalPinInfo, PinInfoShort, TextCache, Timestamp};
use cluster_core::ports::cluster_api::{GlobalPinStatus, PinStatusOnPeer};

impl GlobalPinInfo {
    /// Writes a status as `GET /pins` shows it; `cache` saves writing the same peers for every line.
    pub fn from_core(status: &GlobalPinStatus, cache: &mut TextCache) -> Self {
        let pin = &status.pin;
        Self {
            cid: CidText::from(&pin.cid),
            name: pin.options.name.clone(),
            allocations: Some(cache.peers(&pin.allocations)),
            origins: Some(cache.addresses(&pin.options.origins)),
            created: Timestamp::from(status.created),
            metadata: (!pin.options.metadata.is_empty()).then(|| pin.options.metadata.clone()),
            peer_map: Some(
                status
                    .peers
                    .iter()
                    .map(|p| (cache.peer(&p.peer), PinInfoShort::from_core(p, cache)))
                    .collect(),
            ),
        }
    }
}

impl PinInfoShort {
    /// Writes the status of a pin on one peer.
    pub fn from_core(status: &PinStatusOnPeer, cache: &mut TextCache) -> Self {
        let addresses = &status.ipfs_peer_addresses;
        Self {
            peername: status.peername.clone(),
            ipfs_peer_id: status.ipfs_peer_id.as_ref().map(|p| cache.peer(p)),
            ipfs_peer_addresses: (!addresses.is_empty()).then(|| cache.addresses(addresses)),
            status: status.status,
            timestamp: Timestamp::from(status.timestamp),
            error: status.error.clone(),
            attempt_count: status.attempt_count,
            priority_pin: status.priority_pin,
        }
    }
}

impl From<&GlobalPinStatus> for GlobalPinInfo {
    fn from(status: &GlobalPinStatus) -> Self {
        Self::from_core(status, &mut TextCache::default())
    }
}
