//! Calls other peers.

mod answers;
mod remote_peer;

use crate::open_streams::OpenStreams;
use cluster_core::{
    PeerId,
    ports::{PeerCalls, Rpc},
};
use remote_peer::RemotePeer;
use std::sync::Arc;

/// Makes calls over streams that are opened for each of them.
pub(crate) struct RpcClient {
    opener: Arc<dyn OpenStreams>,
    local: PeerId,
}

impl RpcClient {
    /// Makes a client of the peer `local`, which cannot call itself this way.
    pub(crate) fn new(opener: Arc<dyn OpenStreams>, local: PeerId) -> Self {
        Self { opener, local }
    }
}

impl Rpc for RpcClient {
    fn peer(&self, peer: PeerId) -> Arc<dyn PeerCalls> {
        Arc::new(RemotePeer::new(Arc::clone(&self.opener), peer, peer == self.local))
    }
}

#[cfg(test)]
mod tests;
