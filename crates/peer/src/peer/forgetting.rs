//! Removing a peer for good, and taking it back.

use super::Peer;
use cluster_core::{
    PeerId, Pin, PinKey,
    allocation::allocate,
    pinset::mutation::peer_prefix,
    ports::{
        cluster_api::ApiError,
        consensus::{Etag, OperationKind, Precondition, Rejection, SubmitError},
        datastore::{Cursor, Tree},
    },
};

/// Rows read at a time.
const PAGE: usize = 256;

/// Attempts to place a pin elsewhere while others change it.
const ATTEMPTS: usize = 5;

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
        self.replace(peer).await
    }

    /// Goes on where a stop or a crash interrupted [`Peer::forget`]: places what forgotten peers still hold elsewhere. Waits
    /// first until the others have told their metrics, for without them nobody can take anything.
    pub async fn finish_forgetting(self) {
        tokio::time::sleep(2 * self.config().ping_interval).await;
        for lost in self.parts().trust.forgotten() {
            if let Err(error) = self.replace(lost).await {
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

    /// Places every pin of a peer elsewhere. A pin for which there are not enough peers keeps those it has.
    async fn replace(&self, lost: PeerId) -> Result<(), ApiError> {
        let prefix = peer_prefix(&lost);
        let mut cursor = Cursor::prefix(Tree::ByPeer, &prefix);
        let (mut moved, mut short) = (0u64, 0u64);
        while !cursor.is_done() {
            let (next, page) = self
                .read(move |store| {
                    let page = cursor.next_page(store, PAGE)?;
                    Ok((cursor, page))
                })
                .await?;
            cursor = next;
            for (index, _) in page {
                let key = index.strip_prefix(prefix.as_slice()).and_then(|key| PinKey::from_bytes(key).ok());
                let Some(key) = key else { continue };
                if self.replace_one(lost, key).await? {
                    moved += 1;
                } else {
                    short += 1;
                }
            }
        }
        if moved + short > 0 {
            tracing::info!(target: "cluster", peer = %lost, moved, short, "pins of a forgotten peer were placed elsewhere");
        }
        Ok(())
    }

    /// Says whether the pin has enough peers without `lost`.
    async fn replace_one(&self, lost: PeerId, key: PinKey) -> Result<bool, ApiError> {
        for _ in 0..ATTEMPTS {
            let Some((pin, etag)) = self.pin_of(key.clone()).await? else { return Ok(true) };
            if !pin.allocations.contains(&lost) {
                return Ok(true);
            }
            match self.submit_replaced(lost, pin, etag).await {
                Err(ApiError::Submit(SubmitError::Rejected(Rejection::PreconditionFailed))) => {}
                Err(ApiError::Submit(SubmitError::Rejected(rule))) => {
                    tracing::warn!(target: "cluster", cid = %key, %rule, "a pin of a forgotten peer stays as it is");
                    return Ok(false);
                }
                result => return result,
            }
        }
        Ok(false)
    }

    async fn submit_replaced(&self, lost: PeerId, mut pin: Pin, etag: Etag) -> Result<bool, ApiError> {
        let held: Vec<PeerId> = pin.allocations.iter().copied().filter(|peer| *peer != lost).collect();
        let candidates = self.candidates(&pin.options.user_allocations, &[lost]);
        let policy = pin.options.replication.policy().map_err(|e| SubmitError::Rejected(e.into()))?;
        let (allocations, enough) = match allocate(policy, &held, &candidates) {
            Ok(allocations) => (allocations, true),
            Err(error) if held.is_empty() => {
                tracing::warn!(target: "cluster", cid = %pin.cid, %error, "a pin of a forgotten peer has nowhere to go");
                return Ok(false);
            }
            Err(_) => (held, false),
        };
        pin.allocations = allocations;
        self.submit(OperationKind::Pin(Box::new(pin)), Precondition::IfMatch(etag), None).await?;
        Ok(enough)
    }
}
