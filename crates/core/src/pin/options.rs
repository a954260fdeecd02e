//! What the user chose for a pin (api §2.4).

use super::ReplicationFactors;
use crate::time::UnixSeconds;
use cid::Cid;
use libp2p_identity::PeerId;
use multiaddr::Multiaddr;
use std::collections::BTreeMap;

/// Free key-value pairs, ordered by key so that a pin always serialises alike.
pub type Metadata = BTreeMap<String, String>;

/// Whether a pin covers its whole graph or its root alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PinMode {
    /// The whole graph.
    #[default]
    Recursive,
    /// The root block alone.
    Direct,
}

impl PinMode {
    /// Returns the name used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recursive => "recursive",
            Self::Direct => "direct",
        }
    }

    /// Reads a name; as in the reference everything unknown means recursive.
    pub fn from_name(name: &str) -> Self {
        if name == "direct" { Self::Direct } else { Self::Recursive }
    }

    /// Returns the depth that goes with the mode.
    pub fn depth(self) -> super::PinDepth {
        match self {
            Self::Recursive => super::PinDepth::RECURSIVE,
            Self::Direct => super::PinDepth::DIRECT,
        }
    }
}

/// Options of a pin. The mode is not among them: it follows from the depth.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PinOptions {
    /// How many peers hold it.
    pub replication: ReplicationFactors,
    /// Display name.
    pub name: String,
    /// Size of a shard in bytes; 0 when not sharded.
    pub shard_size: u64,
    /// Peers preferred by the user. Not stored.
    pub user_allocations: Vec<PeerId>,
    /// When the pin shall be removed; `None` never.
    pub expire_at: Option<UnixSeconds>,
    /// Free key-value pairs.
    pub metadata: Metadata,
    /// The pin this one replaces.
    pub pin_update: Option<Cid>,
    /// Addresses of peers that are known to have the content.
    pub origins: Vec<Multiaddr>,
}
