//! Waiting until a pin has a status.

use crate::{Cid, Client, ClientError, Scope, TrackerStatus};
use cluster_api_types::{GlobalPinInfo, PeerText};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep};

/// Pauses before the first polls, then a second each: most pins are there at once, others take minutes.
const PAUSES_MS: [u64; 4] = [100, 200, 300, 400];
const POLL_EVERY: Duration = Duration::from_secs(1);

/// What to wait for.
///
/// # When an error ends the wait
/// The reference gives up on the first error it sees, though its peers would try again, and never gives up on
/// `unexpectedly_unpinned`. Here a peer may be in a state of error (`undefined`, `cluster_error`, `pin_error`,
/// `unpin_error` and, while waiting for `pinned`, `unexpectedly_unpinned`) for `patience` without a break; any other
/// status in between, such as `pinning` of the next attempt, starts the count anew. So a daemon that restarts does
/// not fail a script, a CID that nobody has does, and nothing waits for ever on a state that does not change.
/// `Duration::ZERO` has no patience at all. With a `limit`, peers may stay in error for as long as enough others are
/// left to reach the target.
#[derive(Debug, Clone)]
pub struct WaitFor {
    /// The CID.
    pub cid: Cid,
    /// Whether only the peer asked counts.
    pub scope: Scope,
    /// The status wanted.
    pub target: TrackerStatus,
    /// So many peers must have it; 0 means all. More than there are peers, or than shall pin it, means all as well.
    pub limit: usize,
    /// How long a peer may be in a state of error.
    pub patience: Duration,
}

/// What one look at the status showed.
#[derive(Debug)]
pub struct Look<'a> {
    /// The status on all peers.
    pub info: &'a GlobalPinInfo,
    /// So many peers have the status wanted.
    pub there: usize,
    /// So many must have it.
    pub needed: usize,
}

/// Failure of waiting.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// Asking for the status failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A peer stayed in a state of error.
    #[error("error has occurred while attempting to reach status: {target} ({peer}: {status}{})", colon(.error))]
    Failed {
        /// The status wanted.
        target: TrackerStatus,
        /// Name or ID of the peer.
        peer: String,
        /// Its status.
        status: TrackerStatus,
        /// Its error; may be empty.
        error: String,
    },
}

fn colon(error: &str) -> String {
    if error.is_empty() { String::new() } else { format!(": {error}") }
}

impl WaitFor {
    /// Waits for `target` on every peer, with a patience of ten seconds.
    pub fn new(cid: Cid, target: TrackerStatus) -> Self {
        Self { cid, scope: Scope::Cluster, target, limit: 0, patience: Duration::from_secs(10) }
    }

    /// Counts the peers that shall come to the target: those that are `remote` never pin (api §3.10).
    fn candidates(&self, info: &GlobalPinInfo) -> usize {
        let stays_out = |s| self.target == TrackerStatus::Pinned && s == TrackerStatus::Remote;
        info.peers().filter(|(_, p)| !stays_out(p.status)).count()
    }

    /// Counts the peers that must have the target.
    fn needed(&self, info: &GlobalPinInfo) -> usize {
        let candidates = self.candidates(info);
        if self.limit == 0 { candidates } else { self.limit.min(candidates) }
    }

    fn look<'a>(&self, info: &'a GlobalPinInfo) -> Look<'a> {
        let there = info.peers().filter(|(_, p)| p.status == self.target).count();
        Look { info, there, needed: self.needed(info) }
    }

    fn is_error(&self, status: TrackerStatus) -> bool {
        use TrackerStatus as S;
        match status {
            S::Undefined | S::ClusterError | S::PinError | S::UnpinError => true,
            S::UnexpectedlyUnpinned => self.target == S::Pinned,
            _ => false,
        }
    }
}

impl Look<'_> {
    /// Says whether enough peers have the target.
    fn is_enough(&self) -> bool {
        self.info.peers().next().is_some() && self.there >= self.needed
    }
}

/// Since when peers have been in a state of error.
#[derive(Default)]
struct Errors(BTreeMap<PeerText, Instant>);

impl Errors {
    /// Takes one poll; returns a failure when the peers whose time is up leave too few others.
    fn on_poll(&mut self, wait: &WaitFor, info: &GlobalPinInfo, now: Instant) -> Option<WaitError> {
        let mut still = BTreeMap::new();
        let mut failure = None;
        let mut given_up = 0;
        for (peer, status) in info.peers().filter(|(_, p)| wait.is_error(p.status)) {
            let since = self.0.get(peer).copied().unwrap_or(now);
            if now.duration_since(since) >= wait.patience {
                given_up += 1;
                failure = Some(WaitError::Failed {
                    target: wait.target,
                    peer: if status.peername.is_empty() { peer.to_string() } else { status.peername.clone() },
                    status: status.status,
                    error: status.error.clone(),
                });
            }
            still.insert(peer.clone(), since);
        }
        if wait.candidates(info) >= wait.needed(info) + given_up {
            failure = None;
        }
        if info.peers().next().is_none() {
            // Nobody answers for the CID: the same as one peer that says nothing.
            let nobody = PeerText::default();
            let since = self.0.get(&nobody).copied().unwrap_or(now);
            if now.duration_since(since) >= wait.patience {
                failure = Some(WaitError::Failed {
                    target: wait.target,
                    peer: "no peer".to_owned(),
                    status: TrackerStatus::Undefined,
                    error: String::new(),
                });
            }
            still.insert(nobody, since);
        }
        self.0 = still;
        failure
    }
}

impl Client {
    /// Polls until the pin has the wanted status and returns what was seen last. It may take as long as pinning
    /// takes; bound it with a timeout.
    ///
    /// # Errors
    /// When asking fails, or a peer stays in a state of error (see [`WaitFor`]).
    pub async fn wait(&self, wait: &WaitFor) -> Result<GlobalPinInfo, WaitError> {
        self.wait_and_tell(wait, |_| ()).await
    }

    /// Does as [`Client::wait`] and tells what each look at the status showed, for whoever shows it to a person.
    ///
    /// # Errors
    /// Those of [`Client::wait`].
    pub async fn wait_and_tell(
        &self,
        wait: &WaitFor,
        mut tell: impl FnMut(&Look<'_>),
    ) -> Result<GlobalPinInfo, WaitError> {
        let mut errors = Errors::default();
        let mut pauses = PAUSES_MS.into_iter().map(Duration::from_millis);
        loop {
            sleep(pauses.next().unwrap_or(POLL_EVERY)).await;
            let info = self.status(&wait.cid, wait.scope).await?;
            let look = wait.look(&info);
            tell(&look);
            if look.is_enough() {
                return Ok(info);
            }
            if let Some(failure) = errors.on_poll(wait, &info, Instant::now()) {
                return Err(failure);
            }
        }
    }
}

#[cfg(test)]
mod tests;
