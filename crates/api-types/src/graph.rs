//! Who is connected to whom (api §2.7, §10.9).

use crate::PeerText;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Links among the peers of the cluster and their IPFS daemons.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectGraph {
    /// The peer that answers.
    pub cluster_id: PeerText,
    /// Display names.
    pub id_to_peername: Option<BTreeMap<PeerText, String>>,
    /// IPFS peer to the IPFS peers it is connected to.
    pub ipfs_links: Option<BTreeMap<PeerText, Option<Vec<PeerText>>>>,
    /// Cluster peer to the cluster peers it is connected to.
    pub cluster_links: Option<BTreeMap<PeerText, Option<Vec<PeerText>>>>,
    /// Whether the answering peer trusts a peer.
    pub cluster_trust_links: Option<BTreeMap<PeerText, bool>>,
    /// Cluster peer to its IPFS peer.
    pub cluster_to_ipfs: Option<BTreeMap<PeerText, PeerText>>,
}
