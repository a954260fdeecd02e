//! Removing a peer for good, and taking it back.

use super::{Peer, replacing::Loss};
use cluster_core::{PeerId, ports::cluster_api::ApiError};

impl Peer {
    /// Forgets a peer: no longer trusted, its connections closed and refused, its addresses and metrics dropped, its
    /// pins placed elsewhere. Durable before anything else happens.
    pub(super) async fn forget(&self, peer: PeerId) -> Result<(), ApiError> {
        if peer == self.config().id {
            return Err(ApiError::ForgetSelf);
        }
        self.set_forgotten(peer, true).await?;
        self.parts().network.forget(peer);
        self.parts().metrics.forget(&peer);
        tracing::info!(target: "cluster", %peer, "peer forgotten");
        if self.config().follower {
            return Ok(());
        }
        self.replace(Loss::Forgotten(peer), |_| true).await.map(drop)
    }

    /// Places the pins of a member elsewhere that is about to be removed, unless that is switched off. Those for which nobody
    /// else can be found stay with it.
    pub(super) async fn hand_over(&self, peer: PeerId) -> Result<(), ApiError> {
        if self.config().repinning {
            self.replace(Loss::Forgotten(peer), |_| true).await.map(drop)
        } else {
            Ok(())
        }
    }

    /// Goes on where a stop or a crash interrupted [`Peer::forget`]: places what forgotten peers still hold elsewhere. Waits
    /// first until the others have told their metrics, for without them nobody can take anything.
    pub async fn finish_forgetting(self) {
        tokio::time::sleep(2 * self.config().ping_interval).await;
        for lost in self.parts().trust.forgotten() {
            if let Err(error) = self.replace(Loss::Forgotten(lost), |_| true).await {
                tracing::warn!(target: "cluster", peer = %lost, %error, "pins of a forgotten peer were not placed elsewhere");
            }
        }
    }

    /// Takes a forgotten peer back.
    pub(super) async fn take_back(&self, peer: PeerId) -> Result<(), ApiError> {
        if self.parts().trust.is_forgotten(&peer) {
            self.set_forgotten(peer, false).await?;
            tracing::info!(target: "cluster", %peer, "a forgotten peer is taken back");
        }
        self.parts().network.allow(peer);
        Ok(())
    }

    async fn set_forgotten(&self, peer: PeerId, forgotten: bool) -> Result<(), ApiError> {
        let trust = self.parts().trust.clone();
        let saved = tokio::task::spawn_blocking(move || trust.set_forgotten(peer, forgotten)).await;
        saved
            .map_err(|_| ApiError::Stopping)?
            .map_err(|error| ApiError::Forgotten { cause: error.to_string() })
    }
}
