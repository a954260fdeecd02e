//! The IPFS daemon of one replica, as far as pins go.

use cluster_core::{Pin, PinKey, PinMode};
use std::collections::BTreeMap;

/// What is pinned there, and how. It outlives the replica's process.
#[derive(Debug, Default)]
pub(super) struct Ipfs {
    pinned: BTreeMap<PinKey, PinMode>,
}

impl Ipfs {
    pub(super) fn pin(&mut self, pin: &Pin) {
        self.pinned.insert(pin.key(), pin.depth.mode());
    }

    pub(super) fn unpin(&mut self, key: &PinKey) {
        self.pinned.remove(key);
    }

    pub(super) fn pinned(&self) -> &BTreeMap<PinKey, PinMode> {
        &self.pinned
    }
}
