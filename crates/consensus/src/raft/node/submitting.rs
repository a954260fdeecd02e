//! Submitting a change: to the leader, wherever it is, and back out of this peer's own pinset.

use super::{
    super::{
        proposal::{Proposal, ProposalError},
        waiters::Waiter,
    },
    Answer, ProposalBytes, RaftNode, Request,
};
use cluster_core::{
    PeerId,
    pinset::Ordered,
    ports::{
        consensus::{Applied, Operation, Rejection, SubmitError},
        raft::RaftCallError,
    },
};
use openraft::async_runtime::WatchReceiver as _;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};

/// Pause before a proposal that reached no leader is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// How long a submission waits for a place.
const PLACE_WAIT: Duration = Duration::from_secs(5);

/// What became of one attempt to propose.
enum Attempt {
    /// It is in a log, or may be: only the pinset knows.
    Proposed,
    /// It certainly is in none.
    NotProposed,
}

impl RaftNode {
    /// Submits a change and waits until this peer's pinset has carried it out.
    ///
    /// # Errors
    /// As [`SubmitError`] says: [`SubmitError::Unknown`] once the change was handed over and its outcome did not come in time,
    /// [`SubmitError::Busy`] when it was handed over to nobody.
    pub(crate) async fn submit(self: Arc<Self>, operation: Operation) -> Result<Applied, SubmitError> {
        let busy = |cause: &str| SubmitError::Busy { cause: cause.to_owned() };
        let _place = match self.places.clone().try_acquire_owned() {
            Ok(place) => place,
            Err(_) => match tokio::time::timeout(PLACE_WAIT, self.places.clone().acquire_owned()).await {
                Ok(Ok(place)) => place,
                _ => return Err(busy("too many changes are on their way: try again later")),
            },
        };
        let nonce = rand::random();
        let ordered = Ordered { operation, replication: self.config.replication };
        let bytes = match (Proposal { ordered, at: cluster_runtime::now(), nonce }).encode() {
            Ok(bytes) => bytes,
            Err(ProposalError::TooLarge { size }) => {
                return Err(Rejection::TooLarge { size, limit: super::super::MAX_PROPOSAL }.into());
            }
            Err(error) => return Err(busy(&error.to_string())),
        };
        let bytes = ProposalBytes(bytes.into());
        let mut waiter = self.waiters.register(nonce);
        let until = Instant::now() + self.config.submit_wait;
        loop {
            let Some(leader) = self.wait_for_leader(until).await else {
                return Err(busy("no member leads the cluster: a majority has to be there"));
            };
            // The outcome may be here before the answer, which may be lost.
            let attempt = tokio::select! {
                biased;
                attempt = self.attempt(leader, bytes.clone(), until) => attempt,
                outcome = waiter.outcome() => return outcome,
            };
            match attempt {
                Attempt::Proposed => return self.outcome(&mut waiter, until).await,
                Attempt::NotProposed if Instant::now() >= until => {
                    return Err(busy("no member that leads the cluster took the change: try again later"));
                }
                Attempt::NotProposed => tokio::time::sleep(TRY_AGAIN).await,
            }
        }
    }

    async fn attempt(&self, leader: PeerId, bytes: ProposalBytes, until: Instant) -> Attempt {
        let answer = if leader == self.config.local {
            timeout_at(until, self.propose(bytes)).await.ok()
        } else {
            let request = Request::Propose(bytes.0.to_vec());
            let call = self.calls.call(leader, request.lane(), request.encode());
            match timeout_at(until, call).await {
                Ok(Err(RaftCallError::NotSent { .. } | RaftCallError::Refused(_))) => {
                    return Attempt::NotProposed;
                }
                Ok(Ok(answer)) => Answer::decode(&answer),
                Ok(Err(RaftCallError::NotAnswered { .. })) | Err(_) => None,
            }
        };
        match answer {
            Some(Answer::NotLeader(_)) => Attempt::NotProposed,
            // Also when it failed: what failed may have been only the answer.
            _ => Attempt::Proposed,
        }
    }

    async fn outcome(&self, waiter: &mut Waiter, until: Instant) -> Result<Applied, SubmitError> {
        timeout_at(until, waiter.outcome()).await.unwrap_or_else(|_| {
            let cause = "the cluster did not carry out the change in time";
            Err(SubmitError::Unknown { cause: cause.to_owned() })
        })
    }

    /// Returns who leads; waits until somebody does.
    async fn wait_for_leader(&self, until: Instant) -> Option<PeerId> {
        let until = until.min(Instant::now() + self.config.leader_wait);
        let mut metrics = self.raft.server_metrics();
        loop {
            let leader = metrics.borrow_watched().current_leader;
            if let Some(leader) = leader {
                return Some(leader.peer());
            }
            timeout_at(until, metrics.changed()).await.ok()?.ok()?;
        }
    }
}
