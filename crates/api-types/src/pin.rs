//! Entries of the pinset (api §2.5).

use crate::{CidText, PeerText, PinOptions, Timestamp};
use cluster_core::PinKind;
use serde::{Deserialize, Serialize};

/// One entry of the pinset. Missing keys take the zero values of the import format (api §13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// What the user chose.
    #[serde(flatten)]
    pub options: PinOptions,
    /// What is pinned.
    #[serde(default)]
    pub cid: CidText,
    /// Which part it plays.
    #[serde(rename = "type", with = "crate::names::kind", default = "crate::names::kind::bad")]
    pub kind: PinKind,
    /// Peers that hold it; empty means every peer.
    #[serde(default)]
    pub allocations: Option<Vec<PeerText>>,
    /// −1 the whole graph, 0 the root alone, n that many levels.
    #[serde(default)]
    pub max_depth: i32,
    /// For a meta pin its cluster DAG, for a shard the shard before it.
    #[serde(default)]
    pub reference: Option<CidText>,
    /// When it was submitted.
    #[serde(default)]
    pub timestamp: Timestamp,
}

/// A path to pin, with options.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PinPath {
    /// What the user chose.
    #[serde(flatten)]
    pub options: PinOptions,
    /// The path, `/ipfs/…`, `/ipns/…` or `/ipld/…`.
    pub path: String,
}

/// A pin as the IPFS daemon lists it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct IpfsPinInfo {
    /// What is pinned.
    pub cid: CidText,
    /// `direct`, `recursive`, `indirect` or empty (api §2.2).
    #[serde(rename = "Type")]
    pub kind: String,
}
