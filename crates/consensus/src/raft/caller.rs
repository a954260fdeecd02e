//! Calls to other members: one request, one answer, one deadline.

use super::{
    cluster_id::{Identity, complaint},
    messages::{Answer, Request},
    removed::Removed,
    runs::{RunId, Runs, Speaker},
    trailer::Trailer,
};
use cluster_core::{
    PeerId,
    ports::raft::{RaftCallError, RaftCalls, RaftLane},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Sends requests, and reads the answers.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) calls: Arc<dyn RaftCalls>,
    pub(super) removed: Removed,
    pub(super) identity: Identity,
    pub(super) strangers: Strangers,
    pub(super) runs: Runs,
}

/// The last peer that turned out to be of another cluster, and what that means.
#[derive(Debug, Clone, Default)]
pub(super) struct Strangers(Arc<Mutex<Option<(PeerId, String)>>>);

impl Strangers {
    /// Takes note of one; tells the log when it is news.
    pub(super) fn note(&self, peer: PeerId, complaint: String) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|known| *known != (peer, complaint.clone())) {
            tracing::error!(target: "raft", %peer, "a peer does not belong here, or this one does not: {complaint}");
            *known = Some((peer, complaint));
        }
    }

    /// Takes note of one that belongs here.
    pub(super) fn forget(&self, peer: &PeerId) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.take_if(|(stranger, _)| stranger == peer);
    }

    /// Says what is wrong.
    pub(super) fn complaint(&self) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map(|(peer, complaint)| format!("{peer}: {complaint}"))
    }
}

impl Caller {
    /// Sends a request the way that it goes as a rule, and waits for its answer, at most so long. The request is handed over with
    /// the first poll.
    pub(super) async fn call(
        &self,
        peer: PeerId,
        request: &Request,
        limit: Duration,
    ) -> Result<Answer, RaftCallError> {
        self.call_on(peer, request.lane(), request, limit).await
    }

    /// The same, on this lane.
    pub(super) async fn call_on(
        &self,
        peer: PeerId,
        lane: RaftLane,
        request: &Request,
        limit: Duration,
    ) -> Result<Answer, RaftCallError> {
        let lost = |cause: &str| RaftCallError::NotAnswered { cause: cause.to_owned() };
        if let Some(cause) = self.runs.out_of_service() {
            return Err(RaftCallError::NotSent { cause });
        }
        // Whichever of the two gets it: it has to know, and nothing else is asked of it.
        let twins = self.runs.twins_of(&peer).map(|(one, other)| Request::Twins(one, other));
        let request = twins.as_ref().unwrap_or(request);
        let mut request = request.encode();
        let (cluster, run) = (self.identity.get(), self.runs.own());
        Trailer { cluster, run, at: cluster_runtime::now() }.append(&mut request);
        let call = self.calls.call(peer, lane, request);
        let answer = tokio::time::timeout(limit, call).await.map_err(|_| lost("no answer in time"))??;
        let (answer, run) = RunId::split(&answer).ok_or_else(|| lost("the answer cannot be read"))?;
        match self.runs.hear(peer, run, Instant::now()) {
            Speaker::Peer if twins.is_none() => {}
            Speaker::Peer | Speaker::OneOfTwo(..) => {
                return Err(lost("two processes run with the identity of that peer"));
            }
            Speaker::Replaced => return Err(lost("the answer is of an earlier process of that peer")),
        }
        let answer = Answer::decode(answer).ok_or_else(|| lost("the answer cannot be read"))?;
        match &answer {
            Answer::Twins(one, other) => {
                self.runs.told(*one, *other);
                return Err(lost("the member knows of another process with the identity of this peer"));
            }
            Answer::NotMember(Some(since)) => self.removed.note(*since),
            Answer::Stranger { asks, asked } => {
                if let Some(complaint) = complaint(Some(*asks), Some(*asked)) {
                    self.strangers.note(peer, complaint);
                }
            }
            _ => self.strangers.forget(&peer),
        }
        Ok(answer)
    }
}
