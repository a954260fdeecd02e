//! Joining a cluster through one of its peers (api §10.10).

use super::Peer;
use cluster_core::{
    Multiaddr, PeerId,
    ports::{cluster_api::ApiError, rpc::CallError},
};
use futures_util::future::join_all;
use multiaddr::Protocol;
use std::collections::BTreeMap;

impl Peer {
    /// Connects to the peer at `address`, which ends in `/p2p/<id>`, and asks it to take this one in. It counts as a
    /// member from then on, before its first ping.
    ///
    /// # Errors
    /// When it cannot be reached or does not take this peer in.
    pub async fn join(&self, address: Multiaddr) -> Result<PeerId, ApiError> {
        let Some(Protocol::P2p(peer)) = address.iter().last() else {
            let message = format!("{address} does not end in /p2p/<peer ID>");
            return Err(CallError::Failed { message }.into());
        };
        self.take_back(peer).await?;
        self.parts().network.connect(peer, vec![address]).await?;
        self.calls(peer).add_peer(self.config().id).await?;
        if self.parts().members.is_some() {
            // Members need each other, not only the one that was joined: it may be the first to be lost.
            self.meet_members_of(peer).await?;
        }
        self.parts().metrics.greet(peer, 2 * self.config().ping_interval);
        Ok(peer)
    }

    /// Connects to the members that a peer knows, where it knows them. Those that cannot be reached now may come later.
    async fn meet_members_of(&self, peer: PeerId) -> Result<(), ApiError> {
        let known = self.calls(peer).id().await?.cluster_peers_addresses;
        let mut members: BTreeMap<PeerId, Vec<Multiaddr>> = BTreeMap::new();
        for address in known {
            if let Some(Protocol::P2p(member)) = address.iter().last() {
                members.entry(member).or_default().push(address);
            }
        }
        members.retain(|member, _| *member != peer && *member != self.config().id);
        let network = &self.parts().network;
        let meetings = members.into_iter().map(|(member, addresses)| async move {
            if let Err(error) = network.connect(member, addresses).await {
                tracing::debug!(target: "cluster", peer = %member, %error, "a member was not met");
            }
        });
        join_all(meetings).await;
        Ok(())
    }
}
