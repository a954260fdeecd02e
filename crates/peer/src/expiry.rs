//! Removing pins whose time has come: an index read, not a walk through the pinset.

use cluster_core::{
    PeerId, PinKey,
    closest::distance_rank,
    ports::{
        Consensus, Datastore,
        consensus::{Operation, OperationKind, Rejection, SubmitError},
        datastore::{Cursor, StoreError, Tree},
    },
};
use cluster_runtime::now;
use std::{ops::Bound, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Rows read at a time.
const PAGE: usize = 256;

/// Removes expired pins every `interval` (`state_sync_interval`).
pub struct Expiry {
    /// Where the index is.
    pub store: Arc<dyn Datastore>,
    /// Who removes: of the trusted members the one closest to the CID (api §10.6).
    pub consensus: Arc<dyn Consensus>,
    /// This peer.
    pub local: PeerId,
    /// How often to look.
    pub interval: Duration,
}

impl std::fmt::Debug for Expiry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Expiry").field("interval", &self.interval).finish_non_exhaustive()
    }
}

impl Expiry {
    /// Looks at the clock until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.interval) => {}
            }
            if let Err(error) = self.remove_expired().await {
                tracing::warn!(target: "cluster", %error, "cannot look for expired pins; trying again later");
            }
        }
    }

    async fn remove_expired(&self) -> Result<(), StoreError> {
        // The key starts with the second of expiry: all before the present second have passed.
        let to = now().seconds().0.to_be_bytes().to_vec();
        let members = self.consensus.members();
        let trusted: Vec<PeerId> =
            members.into_iter().filter(|peer| self.consensus.is_trusted(peer)).collect();
        let mut cursor = Cursor::range(Tree::ByExpiry, Bound::Unbounded, Bound::Excluded(to));
        while !cursor.is_done() {
            let store = self.store.clone();
            let read = tokio::task::spawn_blocking(move || {
                let page = cursor.next_page(&*store, PAGE);
                (cursor, page)
            });
            let Ok((read_cursor, page)) = read.await else { return Ok(()) };
            cursor = read_cursor;
            for (index, _) in page? {
                let Some(key) = index.get(8..).and_then(|key| PinKey::from_bytes(key).ok()) else { continue };
                if distance_rank(&key.cid(), &self.local, &trusted) > 0 {
                    continue;
                }
                tracing::info!(target: "cluster", cid = %key, "unpinning an expired pin");
                match self.consensus.submit(Operation::new(OperationKind::Unpin(key.clone()))).await {
                    Ok(_) | Err(SubmitError::Rejected(Rejection::NotPinned)) => {}
                    Err(error) => {
                        tracing::warn!(target: "cluster", cid = %key, %error, "cannot unpin an expired pin yet");
                    }
                }
            }
        }
        Ok(())
    }
}
