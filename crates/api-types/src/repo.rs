//! Repositories of the IPFS daemons (api §2.7).

use crate::{CidText, PeerText};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Size of a daemon's repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RepoStat {
    /// Bytes used.
    pub repo_size: u64,
    /// Bytes at most.
    pub storage_max: u64,
}

/// One block that garbage collection removed, or failed to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct IpfsRepoGc {
    /// The block; `null` beside an error.
    pub key: CidText,
    /// Why it stayed; left out when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// Garbage collection on one peer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RepoGc {
    /// The cluster peer.
    pub peer: PeerText,
    /// Its display name.
    pub peername: String,
    /// What was removed.
    pub keys: Option<Vec<IpfsRepoGc>>,
    /// Why it failed; left out when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// Garbage collection on all peers asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GlobalRepoGc {
    /// Outcome by cluster peer.
    pub peer_map: Option<BTreeMap<PeerText, RepoGc>>,
}
