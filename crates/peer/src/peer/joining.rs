//! Joining a cluster through one of its peers (api §10.10).

use super::Peer;
use cluster_core::{
    Multiaddr, PeerId,
    ports::{cluster_api::ApiError, rpc::CallError},
};
use multiaddr::Protocol;

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
        self.parts().metrics.greet(peer, 2 * self.config().ping_interval);
        Ok(peer)
    }
}
