//! What the user chose for a pin (api §2.4).

use crate::{AddrText, CidText, PeerText, Timestamp};
use cluster_core::PinMode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Options of a pin; its keys stand first in every object that carries them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PinOptions {
    /// At least so many peers: −1 everywhere, 0 the cluster's default.
    pub replication_factor_min: i32,
    /// At most so many peers.
    pub replication_factor_max: i32,
    /// Display name.
    pub name: String,
    /// Recursive or direct.
    #[serde(with = "crate::names::mode")]
    pub mode: PinMode,
    /// Size of a shard in bytes; 0 when not sharded.
    pub shard_size: u64,
    /// Peers preferred by the user; not stored, so it reads back as `null`.
    pub user_allocations: Option<Vec<PeerText>>,
    /// When the pin shall be removed; the zero time means never.
    pub expire_at: Timestamp,
    /// Free key-value pairs; `null` when there are none.
    pub metadata: Option<BTreeMap<String, String>>,
    /// The pin this one replaces.
    pub pin_update: Option<CidText>,
    /// Addresses of peers that are known to have the content.
    pub origins: Option<Vec<AddrText>>,
}
