//! Peers, towards the wire.

use crate::{AddrText, Id, IpfsId, PeerText};
use cluster_core::ports::cluster_api::PeerInfo;

impl From<&PeerInfo> for Id {
    fn from(peer: &PeerInfo) -> Self {
        let id = PeerText::from(&peer.id);
        if let Some(error) = &peer.error {
            return Self { id, error: error.clone(), ..Self::default() };
        }
        let addresses = |list: &[cluster_core::Multiaddr]| Some(list.iter().map(AddrText::from).collect());
        Self {
            id,
            addresses: addresses(&peer.addresses),
            cluster_peers: Some(peer.cluster_peers.iter().map(PeerText::from).collect()),
            cluster_peers_addresses: addresses(&peer.cluster_peers_addresses),
            version: peer.version.clone(),
            commit: String::new(),
            rpc_protocol_version: peer.rpc_protocol_version.clone(),
            error: String::new(),
            ipfs: match &peer.ipfs {
                Ok(ipfs) => IpfsId {
                    id: Some(PeerText::from(&ipfs.id)),
                    addresses: addresses(&ipfs.addresses),
                    error: String::new(),
                },
                Err(error) => IpfsId { error: error.clone(), ..IpfsId::default() },
            },
            peername: peer.peername.clone(),
            raft: None,
        }
    }
}
