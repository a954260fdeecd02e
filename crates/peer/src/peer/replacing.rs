//! Placing the pins of a lost peer elsewhere.

use super::Peer;
use cluster_core::{
    Cid, PeerId, Pin, PinKey,
    allocation::allocate,
    pinset::mutation::peer_prefix,
    ports::{
        cluster_api::ApiError,
        consensus::{Etag, Operation, OperationKind, Precondition, Rejection, SubmitError},
        datastore::{Cursor, Tree},
    },
};

/// Rows read at a time.
const PAGE: usize = 256;

/// Attempts to place a pin elsewhere while others change it.
const ATTEMPTS: usize = 5;

/// A peer that does not hold its pins any more.
#[derive(Debug, Clone, Copy)]
pub(super) enum Loss {
    /// Removed for good: it leaves all its pins, also where nobody takes its place.
    Forgotten(PeerId),
    /// Silent, and may come back: it stays where enough others hold the pin, and where nobody can take its place.
    Silent(PeerId),
}

impl Loss {
    fn peer(&self) -> PeerId {
        match self {
            Self::Forgotten(peer) | Self::Silent(peer) => *peer,
        }
    }
}

/// What became of pins of a lost peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Replaced {
    /// Placed elsewhere.
    pub(super) moved: u64,
    /// Held by fewer peers than they should be.
    pub(super) short: u64,
}

impl Peer {
    /// Places the pins of a lost peer elsewhere for which it is our turn. A pin for which there are not enough peers keeps
    /// those it has. Ends early when a silent peer is heard again.
    pub(super) async fn replace(
        &self,
        loss: Loss,
        our_turn: impl Fn(&Cid) -> bool + Send,
    ) -> Result<Replaced, ApiError> {
        let lost = loss.peer();
        let prefix = peer_prefix(&lost);
        let mut cursor = Cursor::prefix(Tree::ByPeer, &prefix);
        let mut replaced = Replaced::default();
        while !cursor.is_done() {
            let (next, page) = self
                .read(move |store| {
                    let page = cursor.next_page(store, PAGE)?;
                    Ok((cursor, page))
                })
                .await?;
            cursor = next;
            if matches!(loss, Loss::Silent(_)) && self.parts().consensus.members().contains(&lost) {
                break;
            }
            for (index, _) in page {
                let key = index.strip_prefix(prefix.as_slice()).and_then(|key| PinKey::from_bytes(key).ok());
                let Some(key) = key.filter(|key| our_turn(&key.cid())) else { continue };
                match self.replace_one(loss, key).await? {
                    Outcome::Moved => replaced.moved += 1,
                    Outcome::Short => replaced.short += 1,
                    Outcome::Unchanged => {}
                }
            }
        }
        let Replaced { moved, short } = replaced;
        if moved + short > 0 {
            tracing::info!(target: "cluster", peer = %lost, moved, short, "pins of a lost peer were placed elsewhere");
        }
        Ok(replaced)
    }

    async fn replace_one(&self, loss: Loss, key: PinKey) -> Result<Outcome, ApiError> {
        for _ in 0..ATTEMPTS {
            let Some((pin, etag)) = self.pin_of(key.clone()).await? else { return Ok(Outcome::Unchanged) };
            if !pin.allocations.contains(&loss.peer()) {
                return Ok(Outcome::Unchanged);
            }
            match self.submit_replaced(loss, pin, etag).await {
                Err(ApiError::Submit(SubmitError::Rejected(Rejection::PreconditionFailed))) => {}
                Err(ApiError::Submit(SubmitError::Rejected(rule))) => {
                    tracing::warn!(target: "cluster", cid = %key, %rule, "a pin of a lost peer stays as it is");
                    return Ok(Outcome::Short);
                }
                result => return result,
            }
        }
        Ok(Outcome::Short)
    }

    async fn submit_replaced(&self, loss: Loss, mut pin: Pin, etag: Etag) -> Result<Outcome, ApiError> {
        let lost = loss.peer();
        let mut current = pin.allocations.clone();
        if matches!(loss, Loss::Forgotten(_)) {
            current.retain(|peer| *peer != lost);
        }
        let candidates = self.candidates(&pin.options.user_allocations, &[lost]);
        let policy = pin.options.replication.policy().map_err(|e| SubmitError::Rejected(e.into()))?;
        let (allocations, outcome) = match (allocate(policy, &current, &candidates), loss) {
            (Ok(allocations), _) if allocations == pin.allocations => return Ok(Outcome::Unchanged),
            (Ok(allocations), _) => (allocations, Outcome::Moved),
            (Err(_), Loss::Forgotten(_)) if !current.is_empty() => (current, Outcome::Short),
            (Err(error), _) => {
                tracing::warn!(target: "cluster", cid = %pin.cid, %error, "a pin of a lost peer has nowhere to go");
                return Ok(Outcome::Short);
            }
        };
        pin.allocations = allocations;
        let precondition = Precondition::IfMatch(etag);
        let kind = OperationKind::Pin(Box::new(pin));
        self.submit(Operation { precondition, ..Operation::new(kind) }).await?;
        Ok(outcome)
    }
}

enum Outcome {
    /// Others hold it now.
    Moved,
    /// It has too few peers.
    Short,
    /// It has enough peers, or is no pin of the lost one any more.
    Unchanged,
}
