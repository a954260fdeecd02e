//! What follows a stored request: waiting, then the pin or its status (api §4.8).

use super::parse_duration;
use crate::{cli::WaitArgs, failure::Failure, session::Session};
use cluster_client::{
    Cid, Client, ClientError, Look, Scope, TrackerStatus, WaitFor,
    api_types::{GlobalPinInfo, Pin},
};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep, timeout};

const WAITING: &str = "waiting for pin status";

/// How long a status without `--wait` may settle, and how often it is looked at.
const SETTLE_FOR: Duration = Duration::from_secs(1);
const SETTLE_POLL: Duration = Duration::from_millis(100);

/// What to do once the request is stored; made before it is sent, so that a mistake in a flag changes nothing.
pub(super) struct Afterwards {
    target: TrackerStatus,
    no_status: bool,
    wait: bool,
    limit: i64,
    bound: Duration,
}

impl Afterwards {
    /// Reads the flags of a command after which peers shall reach `target`.
    pub(super) fn parse(args: &WaitArgs, target: TrackerStatus) -> Result<Self, Failure> {
        let bound = parse_duration("parsing wait-timeout", &args.wait_timeout)?;
        Ok(Self { target, no_status: args.no_status, wait: args.wait, limit: args.wait_limit, bound })
    }

    /// Waits if wanted, then prints the pin or its status.
    pub(super) async fn finish(&self, session: &mut Session, pin: &Pin) -> Result<(), Failure> {
        let cid = pin.cid.parse("cid").map_err(|e| Failure::client("reading the answer", e))?;
        let seen = if self.wait { Some(self.wait_for(session, cid, pin).await?) } else { None };
        if self.no_status {
            return Ok(session.output.object(pin)?);
        }
        let status = match seen {
            Some(status) => status,
            None => settled(&session.client, &cid, self.target).await?,
        };
        Ok(session.output.object(&status)?)
    }

    async fn wait_for(&self, session: &mut Session, cid: Cid, pin: &Pin) -> Result<GlobalPinInfo, Failure> {
        let limit = match (self.limit, self.target) {
            (0, TrackerStatus::Pinned) => i64::from(pin.options.replication_factor_min),
            (limit, _) => limit,
        };
        // Nothing and less than nothing mean every peer.
        let wanted = WaitFor { limit: usize::try_from(limit).unwrap_or(0), ..WaitFor::new(cid, self.target) };
        let Session { client, output } = session;
        let waiting = client.wait_and_tell(&wanted, |look| output.progress().says(summary(look)));
        let outcome = if self.bound.is_zero() {
            waiting.await
        } else {
            timeout(self.bound, waiting).await.map_err(|_| Failure::Deadline { doing: WAITING })?
        };
        outcome.map_err(|e| Failure::client(WAITING, e))
    }
}

/// Says how many peers have which status: `waiting for pin status: 1 of 2 peers, 1 pinned, 1 pinning`.
fn summary(look: &Look<'_>) -> String {
    let mut counts = BTreeMap::<_, usize>::new();
    for (_, peer) in look.info.peers() {
        *counts.entry(peer.status.name()).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(status, peers)| format!("{peers} {status}")).collect();
    format!("{WAITING}: {} of {} peers, {}", look.there, look.needed, counts.join(", "))
}

/// Looks at the status until no peer is busy with it, for a second at most.
async fn settled(client: &Client, cid: &Cid, target: TrackerStatus) -> Result<GlobalPinInfo, ClientError> {
    let end = Instant::now() + SETTLE_FOR;
    loop {
        sleep(SETTLE_POLL).await;
        let status = client.status(cid, Scope::Cluster).await?;
        if Instant::now() >= end || !status.peers().any(|(_, peer)| is_busy(peer.status, target)) {
            return Ok(status);
        }
    }
}

fn is_busy(status: TrackerStatus, target: TrackerStatus) -> bool {
    use TrackerStatus as S;
    match status {
        S::Pinning
        | S::PinQueued
        | S::Unpinning
        | S::UnpinQueued
        | S::Undefined
        | S::UnexpectedlyUnpinned => true,
        // Not yet seen by that peer.
        S::Pinned => target == S::Unpinned,
        S::Unpinned => target == S::Pinned,
        _ => false,
    }
}
