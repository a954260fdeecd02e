//! Submitting a change: to the leader, wherever it is, and back out of this peer's own pinset.

use super::{
    super::{
        chance,
        proposal::{Proposal, ProposalError},
        waiters::Waiter,
    },
    Answer, Instance, ProposalBytes, RaftNode, Request, TRY_AGAIN,
};
use cluster_core::{
    PeerId, UnixMillis,
    mutate::{Mutation as Defect, active},
    pinset::Ordered,
    ports::{
        consensus::{Applied, Operation, Rejection, SubmitError},
        raft::RaftCallError,
    },
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};

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
        let nonce = u64::from_be_bytes(chance::bytes());
        let ordered = Ordered { operation, replication: self.config.replication };
        let at = self.instance().map_or_else(cluster_runtime::now, |instance| self.fair_now(&instance));
        let bytes = match (Proposal { ordered, at, nonce }).encode() {
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
            if self.stop.is_cancelled() {
                return Err(SubmitError::Stopping);
            }
            if self.is_removed() {
                return Err(busy("this peer was removed from the cluster and takes no changes"));
            }
            let leader_until = until.min(Instant::now() + self.config.leader_wait);
            let Some((instance, leader)) = self.wait_for_leader(leader_until).await else {
                return Err(if self.stop.is_cancelled() {
                    SubmitError::Stopping
                } else {
                    busy(&self.no_leader())
                });
            };
            // The outcome may be here before the answer, which may be lost.
            let attempt = tokio::select! {
                biased;
                attempt = self.attempt(&instance, leader, bytes.clone(), until) => attempt,
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

    async fn attempt(
        &self,
        instance: &Instance,
        leader: PeerId,
        bytes: ProposalBytes,
        until: Instant,
    ) -> Attempt {
        let answer = if leader == self.config.local {
            timeout_at(until, instance.propose(bytes)).await.ok()
        } else {
            let limit = until.saturating_duration_since(Instant::now());
            match self.caller.call(leader, &Request::Propose(bytes.0.to_vec()), limit).await {
                Ok(answer) => Some(answer),
                Err(RaftCallError::NotSent { .. } | RaftCallError::Refused(_)) => {
                    return Attempt::NotProposed;
                }
                Err(RaftCallError::NotAnswered { .. }) if active(Defect::ProposeAgain) => {
                    return Attempt::NotProposed;
                }
                Err(RaftCallError::NotAnswered { .. }) => None,
            }
        };
        match answer {
            Some(Answer::NotLeader(_) | Answer::NotMember(_)) => Attempt::NotProposed,
            // Also when it failed: what failed may have been only the answer.
            _ => Attempt::Proposed,
        }
    }

    async fn outcome(&self, waiter: &mut Waiter, until: Instant) -> Result<Applied, SubmitError> {
        timeout_at(until, waiter.outcome()).await.unwrap_or_else(|_| {
            let cause = "the cluster did not carry out the change in time".to_owned();
            if active(Defect::DenyUnknown) {
                return Err(SubmitError::Busy { cause });
            }
            Err(SubmitError::Unknown { cause })
        })
    }

    /// Returns the time to date an entry with.
    pub(super) fn fair_now(&self, instance: &Instance) -> UnixMillis {
        let members: Vec<PeerId> = instance.roles().into_iter().map(|(peer, _)| peer).collect();
        self.clocks.fair(cluster_runtime::now(), &members, self.config.local)
    }
}
