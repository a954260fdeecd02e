//! Peers and versions.

use super::{Call, Client};
use crate::{ClientError, Lines, PeerId};
use cluster_api_types::{Id, Version};
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

    /// Removes a member (`DELETE /peers/{peer}`).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn remove_peer(&self, peer: &PeerId) -> Result<(), ClientError> {
        self.nothing(Call::new(Method::DELETE, &format!("/peers/{peer}"))).await
    }
}
