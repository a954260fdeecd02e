//! How a Merkle-CRDT stands. Not in the Go suite.

use crate::CidText;
use cluster_core::ports::consensus::CrdtHealth as CoreCrdtHealth;
use serde::{Deserialize, Serialize};

/// How the Merkle-CRDT of one peer stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CrdtHealth {
    /// Its heads, sorted.
    pub heads: Vec<CidText>,
    /// The greatest height of a head.
    pub height: u64,
    /// Blocks known of: those merged and those missing.
    pub blocks_known: u64,
    /// Blocks merged.
    pub blocks_merged: u64,
    /// Blocks known of that are not here yet. What is below them is not known.
    pub blocks_missing: u64,
    /// Walks that are open.
    pub open_walks: u64,
    /// Whether something below a head is missing.
    pub dirty: bool,
    /// Elements that are not tombstoned.
    pub elements: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// Operations accepted that no delta carries yet.
    pub pending_operations: u64,
    /// Hexadecimal digest of elements and tombstones: equal on peers of this suite that hold the same.
    pub fingerprint: String,
}

impl From<&CoreCrdtHealth> for CrdtHealth {
    fn from(health: &CoreCrdtHealth) -> Self {
        Self {
            heads: health.heads.iter().map(CidText::from).collect(),
            height: health.height,
            blocks_known: health.merged + health.missing,
            blocks_merged: health.merged,
            blocks_missing: health.missing,
            open_walks: health.walks,
            dirty: health.walks > 0,
            elements: health.elements,
            tombstones: health.tombstones,
            pending_operations: health.pending,
            fingerprint: health.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}
