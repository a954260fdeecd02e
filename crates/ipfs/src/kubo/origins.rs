//! Hints where content may be found: connections the daemon is asked to make while a pin runs.

use super::{Kubo, resolve::encode};
use crate::{lanes::Lane, rpc::Deadline};
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
        // A turn is waited for within `all`, the call itself has a deadline of its own.
        let all = Deadline::within(ALL_DEADLINE);
        let connects =
            stream::iter(origins.iter().take(MAX_ORIGINS)).for_each_concurrent(None, |origin| async move {
                let path = format!("swarm/connect?arg={}", encode(&origin.to_string()));
                let Ok(_turn) = self.enter(Lane::Background, &path, all).await else { return };
                let deadline = Deadline::within(self.request_timeout.min(CONNECT_DEADLINE));
                let outcome = match self.rpc.open(&path, deadline).await {
                    Ok(answer) => answer.whole(deadline).await.map(|_| ()),
                    Err(error) => Err(error),
                };
                if let Err(error) = outcome {
                    tracing::debug!(%origin, %error, "cannot connect the IPFS daemon to an origin");
                }
            });
        connects.await;
    }
}
