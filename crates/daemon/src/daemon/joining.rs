//! Joining the peers named by `--bootstrap`.

use crate::state::BesideGo;
use cluster_core::{
    Multiaddr, PeerId,
    ports::{ClusterApi, cluster_api::Scope},
};
use cluster_peer::{Informers, Peer};
use futures_util::StreamExt;
use multiaddr::Protocol;
use std::time::Duration;

/// Time before a join that failed is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// Whom to join.
#[derive(Debug, Clone, Default)]
pub struct Bootstrap {
    /// Addresses of peers, each ending in `/p2p/<id>`.
    pub addresses: Vec<Multiaddr>,
    /// Whether these peers are trusted from now on.
    pub trusted: bool,
    /// Whether the pinset may be taken from other peers although a Go peer's state is in the folder.
    pub beside_go: BesideGo,
}

impl Bootstrap {
    /// Returns the peers to trust.
    pub(super) fn trusted_peers(&self) -> Vec<PeerId> {
        let last = |address: &Multiaddr| match address.iter().last() {
            Some(Protocol::P2p(peer)) => Some(peer),
            _ => None,
        };
        self.addresses.iter().filter(|_| self.trusted).filter_map(last).collect()
    }
}

/// Joins through one peer, however long that takes; then tells who we are and tries again what failed to be pinned.
pub(super) async fn join(peer: Peer, address: Multiaddr, informers: Informers) {
    let mut is_told = false;
    loop {
        match peer.join(address.clone()).await {
            Ok(through) => {
                tracing::info!(target: "cluster", peer = %through, "joined the cluster");
                break;
            }
            // The peer itself goes on: whoever it waits for may come later.
            Err(error) if !is_told => {
                tracing::error!(target: "cluster", %address, %error, "bootstrap to this peer failed; trying again until it works");
                is_told = true;
            }
            Err(error) => tracing::debug!(target: "cluster", %address, %error, "bootstrap failed again"),
        }
        tokio::time::sleep(AGAIN).await;
    }
    informers.publish_all_now();
    let mut recovered = peer.recover_all(Scope::Local);
    while recovered.next().await.is_some() {}
}
