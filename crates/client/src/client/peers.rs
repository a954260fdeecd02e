//! Peers and versions.

use super::{Call, Client};
use crate::{ClientError, Lines, Multiaddr, PeerId};
use cluster_api_types::{AddrText, Id, PeerAddBody, PeerText, Version};
use http::Method;

impl Client {
    /// Asks who the peer is (`GET /id`).
    ///
    /// # Errors
    /// As every call: [`ClientError`].
    pub async fn id(&self) -> Result<Id, ClientError> {
        self.object(Call::new(Method::GET, "/id")).await
    }

    /// Asks for the version (`GET /version`).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn version(&self) -> Result<Version, ClientError> {
        self.object(Call::new(Method::GET, "/version")).await
    }

    /// Lists the members of the cluster (`GET /peers`).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn peers(&self) -> Result<Lines<Id>, ClientError> {
        self.stream(Call::new(Method::GET, "/peers")).await
    }

    /// Adds a member and returns what it says of itself (`POST /peers`). Addresses may end in `/p2p/<peer>`; servers
    /// of the reference ignore them.
    ///
    /// # Errors
    /// [`ClientError`]; code 500 when the peer cannot be reached.
    pub async fn add_peer(&self, peer: &PeerId, addresses: &[Multiaddr]) -> Result<Id, ClientError> {
        let addresses =
            (!addresses.is_empty()).then(|| addresses.iter().map(AddrText::from).collect::<Vec<_>>());
        let body = PeerAddBody { peer_id: PeerText::from(peer), addresses };
        self.object(Call::new(Method::POST, "/peers").json(&body)).await
    }

    /// Lets a member vote, or not (`POST /peers/{peer}/promote` and `/demote`; peers of the Go suite do not know it).
    ///
    /// # Errors
    /// [`ClientError`]; code 404 from a peer of the Go suite, 501 in clusters whose consensus has no voters.
    pub async fn set_voter(&self, peer: &PeerId, votes: bool) -> Result<(), ClientError> {
        let change = if votes { "promote" } else { "demote" };
        self.nothing(Call::new(Method::POST, &format!("/peers/{peer}/{change}"))).await
    }

    /// Removes a member (`DELETE /peers/{peer}`). With `forget` the peer asked no longer trusts it and refuses its
    /// connections until it is added again; servers of the reference ignore that.
    ///
    /// # Errors
    /// [`ClientError`]; without `forget` always code 500 in clusters whose consensus has no members to remove.
    pub async fn remove_peer(&self, peer: &PeerId, forget: bool) -> Result<(), ClientError> {
        let query = forget.then_some(("forget", "true"));
        self.nothing(Call::new(Method::DELETE, &format!("/peers/{peer}")).query(query)).await
    }
}
