//! Keeps our IPFS daemon connected to those of the other members, so that content finds its way (api §10.1).

use crate::MetricsBoard;
use cluster_core::{
    PeerId,
    ports::{IpfsConnector, PeerSet, Rpc},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Addresses of one daemon that are tried.
const MAX_ADDRESSES: usize = 16;

/// Attempts with one member; after that it is left alone until it comes back.
const ATTEMPTS: u32 = 5;

/// Connects IPFS daemons.
pub struct IpfsSwarms {
    /// This peer.
    pub local: PeerId,
    /// Our daemon.
    pub ipfs: Arc<dyn IpfsConnector>,
    /// Who the members are.
    pub metrics: MetricsBoard,
    /// Asks members for their daemons.
    pub rpc: Arc<dyn Rpc>,
    /// Time after the start before anything is done.
    pub delay: Duration,
    /// Time between two looks for new members.
    pub interval: Duration,
}

impl IpfsSwarms {
    /// Connects to the daemon of every member, once for each time it comes, until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let work = async {
            tokio::time::sleep(self.delay).await;
            let mut known = Known::default();
            loop {
                self.look(&mut known).await;
                tokio::time::sleep(self.interval).await;
            }
        };
        stop.run_until_cancelled(work).await;
    }

    async fn look(&self, known: &mut Known) {
        let members = self.metrics.members();
        known.done.retain(|peer| members.contains(peer));
        known.failed.retain(|peer, _| members.contains(peer));
        for peer in members.into_iter().filter(|peer| *peer != self.local) {
            if known.done.contains(&peer) {
                continue;
            }
            let attempts = known.failed.get(&peer).copied().unwrap_or(0) + 1;
            if self.connect(peer).await || attempts >= ATTEMPTS {
                known.failed.remove(&peer);
                known.done.insert(peer);
            } else {
                known.failed.insert(peer, attempts);
            }
        }
    }

    async fn connect(&self, peer: PeerId) -> bool {
        let Ok(info) = self.rpc.peer(peer).id().await else { return false };
        let Ok(theirs) = info.ipfs else { return false };
        let Ok(ours) = self.ipfs.id().await else { return false };
        if ours.id == theirs.id {
            tracing::warn!(
                target: "cluster", %peer, ipfs = %ours.id,
                "this peer and another one use the same IPFS daemon: content that both hold exists only once"
            );
            return true;
        }
        for address in theirs.addresses.into_iter().take(MAX_ADDRESSES) {
            match self.ipfs.swarm_connect(address.clone()).await {
                Ok(()) => {
                    tracing::debug!(target: "cluster", %peer, %address, "IPFS daemons connected");
                    return true;
                }
                Err(error) => {
                    tracing::debug!(target: "cluster", %peer, %address, %error, "IPFS daemons not connected")
                }
            }
        }
        false
    }
}

/// Members that were dealt with, and those that were tried in vain.
#[derive(Default)]
struct Known {
    done: BTreeSet<PeerId>,
    failed: BTreeMap<PeerId, u32>,
}
