//! What a peer says of itself (api §2.7).

use crate::{AddrText, PeerText, RaftHealth};
use serde::{Deserialize, Serialize};

/// A cluster peer. When `error` is not empty only `id` means anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Id {
    /// Its peer ID.
    pub id: PeerText,
    /// Its addresses, each ending in `/p2p/<id>`.
    pub addresses: Option<Vec<AddrText>>,
    /// Members of the cluster, itself included.
    pub cluster_peers: Option<Vec<PeerText>>,
    /// Known addresses of the other members.
    pub cluster_peers_addresses: Option<Vec<AddrText>>,
    /// Version of its software.
    pub version: String,
    /// Always empty.
    pub commit: String,
    /// RPC protocol it speaks.
    pub rpc_protocol_version: String,
    /// Why it did not answer.
    pub error: String,
    /// Its IPFS daemon.
    pub ipfs: IpfsId,
    /// Its display name.
    pub peername: String,
    /// How its Raft stands; left out with another consensus, and when it speaks of another peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raft: Option<RaftHealth>,
}

/// The IPFS daemon of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct IpfsId {
    /// Its peer ID; left out when unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<PeerText>,
    /// Its addresses.
    pub addresses: Option<Vec<AddrText>>,
    /// Why it did not answer.
    pub error: String,
}
