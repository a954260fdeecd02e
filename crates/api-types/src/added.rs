//! What adding content answers (api §2.7).

use crate::{CidText, PeerText};
use serde::{Deserialize, Serialize};

/// One item that was added.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AddedOutput {
    /// Its name; empty for a wrapping folder.
    pub name: String,
    /// Its root.
    pub cid: CidText,
    /// Bytes read so far; left out when 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub bytes: u64,
    /// Size of the whole graph in bytes; left out when 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub size: u64,
    /// Peers that hold it; left out when empty.
    #[serde(skip_serializing_if = "is_empty")]
    pub allocations: Option<Vec<PeerText>>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_empty(peers: &Option<Vec<PeerText>>) -> bool {
    peers.as_ref().is_none_or(Vec::is_empty)
}
