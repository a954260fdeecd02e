//! Removing pins whose time has come: an index read, not a walk through the pinset.

use crate::turns::{Patience, Turns};
use cluster_core::{
    PeerId, PinKey, UnixMillis,
    pinset::read,
    ports::{
        Consensus, Datastore, Network,
        cluster_api::ApiError,
        consensus::{Operation, OperationKind, Precondition, Rejection, SubmitError},
        datastore::{Cursor, Tree},
    },
};
use cluster_runtime::now;
use std::{
    ops::Bound,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// Rows read at a time.
const PAGE: usize = 256;

/// How often to look, as long as that takes little.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The part of the time that looking may take.
const SHARE: u32 = 20;

/// How long to wait for a peer of this suite that is closer. It looks as often as we do.
const PATIENCE: Duration = Duration::from_secs(1);

/// How much longer than the time between two looks to wait for a closer peer of the Go suite.
const MORE_PATIENCE: Duration = Duration::from_secs(30);

/// Removes pins that have expired. Of the trusted members the one closest to the CID does, and the next when that one does
/// not (api §10.6).
pub struct Expiry {
    /// Where the index is.
    pub store: Arc<dyn Datastore>,
    /// Who the members are, and where a pin is removed.
    pub consensus: Arc<dyn Consensus>,
    /// Tells which members are of this suite.
    pub network: Arc<dyn Network>,
    /// This peer.
    pub local: PeerId,
    /// How often peers of the Go suite look (`state_sync_interval`).
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
        let mut pause = LOOK_EVERY;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let began = Instant::now();
            let looked = self.remove_expired().await;
            pause = (began.elapsed() * SHARE).max(LOOK_EVERY);
            if let Err(error) = looked {
                tracing::warn!(target: "cluster", %error, "cannot unpin what has expired; trying again later");
                pause = pause.max(MORE_PATIENCE);
            }
        }
    }

    async fn remove_expired(&self) -> Result<(), ApiError> {
        // The key starts with the second of expiry: all before the present second have passed.
        let to = now().seconds().0.to_be_bytes().to_vec();
        let patience = Patience { ours: PATIENCE, other: self.interval + MORE_PATIENCE };
        let turns = Turns::of(&self.local, &*self.consensus, &*self.network, patience);
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
                let Some((expired, key)) = expiry_and_key(&index) else { continue };
                if expired.plus(turns.wait(&key.cid())) <= now() {
                    self.unpin(key, expired).await?;
                }
            }
        }
        Ok(())
    }

    /// Unpins what still has that expiry: somebody may have prolonged it.
    async fn unpin(&self, key: PinKey, expired: UnixMillis) -> Result<(), ApiError> {
        let (store, wanted) = (self.store.clone(), key.clone());
        let read = tokio::task::spawn_blocking(move || read::pin(&*store.snapshot()?, &wanted));
        let Ok(found) = read.await else { return Ok(()) };
        let Some((pin, etag)) = found? else { return Ok(()) };
        if pin.options.expire_at.map(|at| at.millis()) != Some(expired) {
            return Ok(());
        }
        tracing::info!(target: "cluster", cid = %key, "unpinning an expired pin");
        let precondition = Precondition::IfMatch(etag);
        let unpin = Operation { precondition, ..Operation::new(OperationKind::Unpin(key)) };
        match self.consensus.submit(unpin).await {
            Ok(_) | Err(SubmitError::Rejected(Rejection::NotPinned | Rejection::PreconditionFailed)) => {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn expiry_and_key(index: &[u8]) -> Option<(UnixMillis, PinKey)> {
    let (seconds, key) = index.split_first_chunk()?;
    let seconds = u64::from_be_bytes(*seconds);
    Some((UnixMillis(seconds.checked_mul(1000)?), PinKey::from_bytes(key).ok()?))
}
