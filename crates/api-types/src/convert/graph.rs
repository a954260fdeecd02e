//! Connections, towards the wire.

use crate::{ConnectGraph, PeerText, TextCache};
use cluster_core::{PeerId, ports::cluster_api::ConnectGraph as CoreGraph};
use std::collections::BTreeMap;

/// Every map and list is there, empty or not.
impl From<&CoreGraph> for ConnectGraph {
    fn from(graph: &CoreGraph) -> Self {
        let mut cache = TextCache::default();
        Self {
            cluster_id: cache.peer(&graph.cluster_id),
            id_to_peername: Some(
                graph.peernames.iter().map(|(peer, name)| (cache.peer(peer), name.clone())).collect(),
            ),
            ipfs_links: Some(links(&graph.ipfs_links, &mut cache)),
            cluster_links: Some(links(&graph.cluster_links, &mut cache)),
            cluster_trust_links: Some(
                graph.trust_links.iter().map(|(peer, trusted)| (cache.peer(peer), *trusted)).collect(),
            ),
            cluster_to_ipfs: Some(
                graph
                    .cluster_to_ipfs
                    .iter()
                    .map(|(peer, ipfs)| (cache.peer(peer), cache.peer(ipfs)))
                    .collect(),
            ),
        }
    }
}

fn links(
    links: &BTreeMap<PeerId, Vec<PeerId>>,
    cache: &mut TextCache,
) -> BTreeMap<PeerText, Option<Vec<PeerText>>> {
    links.iter().map(|(from, to)| (cache.peer(from), Some(cache.peers(to)))).collect()
}
