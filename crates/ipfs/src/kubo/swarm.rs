//! The daemon's own connections.

use super::{Kubo, resolve::encode};
use crate::{answer::SwarmPeersAnswer, lanes::Lane, rpc::Deadline, rpc::MAX_BODY};
use cluster_core::ports::ipfs_connector::IpfsError;
use libp2p_identity::PeerId;
use multiaddr::Multiaddr;
use serde::de::IgnoredAny;
use std::time::Duration;

/// Largest answer to `swarm/peers`, in bytes: a public gateway has ten thousand peers of some 300 bytes each.
const MAX_PEERS_BODY: usize = 16 * 1024 * 1024;

impl Kubo {
    pub(super) async fn connect_to(&self, address: Multiaddr) -> Result<(), IpfsError> {
        self.connect(&address, Deadline::within(self.request_timeout), self.request_timeout).await
    }

    /// Asks the daemon to connect to another one. All is over at `end`; the call itself, once its turn has come, may
    /// take `most`.
    pub(super) async fn connect(
        &self,
        address: &Multiaddr,
        end: Deadline,
        most: Duration,
    ) -> Result<(), IpfsError> {
        let path = format!("swarm/connect?arg={}", encode(&address.to_string()));
        let _turn = self.enter(Lane::Background, &path, end).await?;
        let deadline = end.sooner(Deadline::within(most));
        // A failure is an error status; the answer only repeats the peer's ID.
        self.read_object::<IgnoredAny>(&path, deadline, MAX_BODY).await.map(|_| ())
    }

    pub(super) async fn ask_swarm_peers(&self) -> Result<Vec<PeerId>, IpfsError> {
        let path = "swarm/peers";
        let deadline = Deadline::within(self.request_timeout);
        let _turn = self.enter(Lane::Query, path, deadline).await?;
        let answer: SwarmPeersAnswer = self.read_object(path, deadline, MAX_PEERS_BODY).await?;
        Ok(answer.peers.unwrap_or_default().iter().filter_map(|peer| peer.peer.parse().ok()).collect())
    }
}
