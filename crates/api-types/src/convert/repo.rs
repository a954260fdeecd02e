//! Outcomes of garbage collection, towards the wire.

use crate::{CidText, GlobalRepoGc, IpfsRepoGc, PeerText, RepoGc};
use cluster_core::ports::{cluster_api::RepoGc as CoreRepoGc, ipfs_connector::GcItem};

impl From<&GcItem> for IpfsRepoGc {
    fn from(item: &GcItem) -> Self {
        match item {
            GcItem::Removed(cid) => Self { key: CidText::from(cid), error: String::new() },
            GcItem::Error(error) => Self { key: CidText::default(), error: error.clone() },
        }
    }
}

impl From<&CoreRepoGc> for RepoGc {
    fn from(gc: &CoreRepoGc) -> Self {
        Self {
            peer: PeerText::from(&gc.peer),
            peername: gc.peername.clone(),
            keys: Some(gc.keys.iter().map(IpfsRepoGc::from).collect()),
            error: gc.error.clone(),
        }
    }
}

impl From<&[CoreRepoGc]> for GlobalRepoGc {
    fn from(outcomes: &[CoreRepoGc]) -> Self {
        let by_peer = outcomes.iter().map(RepoGc::from).map(|gc| (gc.peer.clone(), gc));
        Self { peer_map: Some(by_peer.collect()) }
    }
}
