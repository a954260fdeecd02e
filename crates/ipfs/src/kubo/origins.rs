//! Hints where content may be found: connections the daemon is asked to make while a pin runs.

use super::Kubo;
use crate::rpc::Deadline;
use futures_util::{StreamExt, stream};
use multiaddr::Multiaddr;
use std::time::Duration;

/// Origins of one pin that are tried (api §10.1).
const MAX_ORIGINS: usize = 10;

/// Longest one connection may take; a peer that is there answers far sooner.
const CONNECT_DEADLINE: Duration = Duration::from_secs(15);

/// Longest the hints of one pin may take.
const ALL_DEADLINE: Duration = Duration::from_mins(1);

impl Kubo {
    /// Asks the daemon to connect to the first ten origins. Failures do not matter: the content may be elsewhere.
    pub(super) async fn connect_origins(&self, origins: &[Multiaddr]) {
        let all = Deadline::within(ALL_DEADLINE);
        let one = self.request_timeout.min(CONNECT_DEADLINE);
        let connects =
            stream::iter(origins.iter().take(MAX_ORIGINS)).for_each_concurrent(None, |origin| async move {
                if let Err(error) = self.connect(origin, all, one).await {
                    tracing::debug!(%origin, %error, "cannot connect the IPFS daemon to an origin");
                }
            });
        connects.await;
    }
}
