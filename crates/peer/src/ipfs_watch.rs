//! What is known of the IPFS daemon, for statuses that must not wait for it.

use arc_swap::ArcSwap;
use cluster_core::ports::{
    IpfsConnector,
    ipfs_connector::{IpfsError, IpfsId},
};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often a reachable daemon is asked who it is.
const INTERVAL: Duration = Duration::from_secs(30);

/// How often a daemon that does not answer is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// Failures between two log lines.
const LOG_EVERY: u32 = 10;

/// The last identity that the daemon gave; `None` until it answered once.
#[derive(Debug, Clone, Default)]
pub struct IpfsWatch(Arc<ArcSwap<Option<IpfsId>>>);

impl IpfsWatch {
    /// Returns the last identity.
    pub fn last(&self) -> Arc<Option<IpfsId>> {
        self.0.load_full()
    }

    /// Notes an identity.
    pub fn note(&self, id: IpfsId) {
        self.0.store(Arc::new(Some(id)));
    }

    /// Asks again and again until told to stop; `ready` runs at the first answer.
    pub async fn run(
        self,
        ipfs: Arc<dyn IpfsConnector>,
        stop: CancellationToken,
        ready: impl FnOnce(&IpfsId) + Send,
    ) {
        let mut ready = Some(ready);
        let mut failures = 0;
        loop {
            let answer = tokio::select! {
                () = stop.cancelled() => return,
                answer = ipfs.id() => answer,
            };
            let wait = match answer {
                Ok(id) => {
                    failures = 0;
                    if let Some(ready) = ready.take() {
                        ready(&id);
                    }
                    self.note(id);
                    INTERVAL
                }
                Err(error) => {
                    log_failure(&error, failures);
                    failures += 1;
                    RETRY
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

fn log_failure(error: &IpfsError, failures: u32) {
    if failures.is_multiple_of(LOG_EVERY) {
        tracing::warn!(target: "ipfshttp", %error, "the IPFS daemon does not answer; pins wait until it does");
    }
}
