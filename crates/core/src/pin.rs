//! What is pinned, and how: the domain's central value and its stored form.

mod codec;
pub(crate) mod not_a_cid;
mod options;
mod pin_key;
mod pin_kind;
mod replication;

pub use codec::PinDecodeError;
pub use not_a_cid::{NotACid, parse_cid};
pub use options::{Metadata, PinMode, PinOptions};
pub use pin_key::{PinKey, PinKeyError};
pub use pin_kind::{PinKind, PinKindFilter};
pub use replication::{ReplicationError, ReplicationFactors, ReplicationPolicy};

use crate::time::{UnixMillis, UnixSeconds};
use cid::Cid;
use libp2p_identity::PeerId;

/// How deep below its root a pin reaches (api §2.3): −1 everything, 0 the root alone, n that many levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PinDepth(pub i32);

impl PinDepth {
    /// The whole graph.
    pub const RECURSIVE: Self = Self(-1);
    /// The root block alone.
    pub const DIRECT: Self = Self(0);

    /// Returns the mode a client sees: 0 is direct, everything else recursive.
    pub fn mode(self) -> PinMode {
        if self.0 == 0 { PinMode::Direct } else { PinMode::Recursive }
    }
}

/// One entry of the pinset (api §2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// What is pinned.
    pub cid: Cid,
    /// Which part it plays.
    pub kind: PinKind,
    /// Peers that hold it; empty means every peer.
    pub allocations: Vec<PeerId>,
    /// How deep it reaches.
    pub depth: PinDepth,
    /// For a meta pin its cluster DAG, for a shard the shard before it.
    pub reference: Option<Cid>,
    /// Everything the user chose.
    pub options: PinOptions,
    /// When it was submitted.
    pub timestamp: Option<UnixSeconds>,
}

impl Pin {
    /// Makes a recursive data pin of `cid` with default options.
    pub fn new(cid: Cid) -> Self {
        Self {
            cid,
            kind: PinKind::Data,
            allocations: Vec::new(),
            depth: PinDepth::RECURSIVE,
            reference: None,
            options: PinOptions::default(),
            timestamp: None,
        }
    }

    /// Returns the key under which it is stored.
    pub fn key(&self) -> PinKey {
        PinKey::from_cid(&self.cid)
    }

    /// Says whether every peer holds it (both factors −1).
    pub fn is_everywhere(&self) -> bool {
        self.options.replication.is_everywhere()
    }

    /// Says whether it is allocated to other peers only.
    pub fn is_remote_for(&self, peer: &PeerId) -> bool {
        !self.is_everywhere() && !self.allocations.contains(peer)
    }

    /// Says whether its expiry has passed.
    pub fn is_expired_at(&self, now: UnixMillis) -> bool {
        self.options.expire_at.is_some_and(|at| at.millis() < now)
    }
}
