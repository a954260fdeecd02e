//! Calls other members.

use super::{
    client_stream,
    lane::{CallResult, Lane, not_sent},
};
use crate::open_streams::OpenStreams;
use cluster_core::{
    PeerId,
    ports::{
        BoxFuture, RaftCalls,
        raft::{MAX_RAFT_MESSAGE, RaftCallError, RaftLane},
    },
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Sends requests over one stream in each lane to each peer, opened when there is something to send.
pub(crate) struct RaftClient {
    opener: Arc<dyn OpenStreams>,
    local: PeerId,
    /// An empty lane of each peer that was ever called: members, and few of them.
    lanes: Mutex<HashMap<(PeerId, RaftLane), Arc<Lane>>>,
    stop: CancellationToken,
}

impl RaftClient {
    /// Makes a client of the peer `local`, which cannot call itself this way. Ends when `stop` is cancelled.
    pub(crate) fn new(opener: Arc<dyn OpenStreams>, local: PeerId, stop: CancellationToken) -> Self {
        Self { opener, local, lanes: Mutex::default(), stop }
    }

    /// Takes note of a peer that is connected now: it is tried again at once.
    pub(crate) fn on_connected(&self, peer: PeerId) {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        for lane in RaftLane::ALL {
            if let Some(lane) = lanes.get(&(peer, lane)) {
                lane.connected();
            }
        }
    }

    /// Takes note of a peer that is gone: what it has is lost.
    pub(crate) fn on_disconnected(&self, peer: PeerId) {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        for lane in RaftLane::ALL {
            if let Some(lane) = lanes.get(&(peer, lane)) {
                lane.gone.notify_waiters();
            }
        }
    }

    fn lane(&self, peer: PeerId, lane: RaftLane) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.entry((peer, lane)).or_insert_with(|| Arc::new(Lane::new(lane))).clone()
    }

    /// Puts a request in its place in the order, and starts the stream's task when there is none.
    fn enter(&self, peer: PeerId, lane: RaftLane, request: Vec<u8>) -> Result<Waiting, RaftCallError> {
        if peer == self.local {
            return Err(not_sent("the peer is this one"));
        }
        if request.len() > MAX_RAFT_MESSAGE {
            return Err(not_sent(format!(
                "the request has {} bytes, at most {MAX_RAFT_MESSAGE} are possible",
                request.len()
            )));
        }
        if self.stop.is_cancelled() {
            return Err(not_sent("the swarm is stopping"));
        }
        let queue = self.lane(peer, lane);
        let entered = queue.enter(request, Instant::now())?;
        if entered.start {
            let (opener, stop) = (self.opener.clone(), self.stop.clone());
            tokio::spawn(client_stream::run(opener, peer, lane, queue.clone(), stop));
        }
        Ok(Waiting { number: entered.number, answer: entered.answer, lane: queue })
    }
}

impl RaftCalls for RaftClient {
    fn call(&self, peer: PeerId, lane: RaftLane, request: Vec<u8>) -> BoxFuture<'_, CallResult> {
        Box::pin(async move { self.enter(peer, lane, request)?.answer().await })
    }
}

/// A request under way; one that still waits is taken back when this is dropped.
struct Waiting {
    number: u64,
    answer: tokio::sync::oneshot::Receiver<CallResult>,
    lane: Arc<Lane>,
}

impl Waiting {
    async fn answer(mut self) -> CallResult {
        let lost = |_| RaftCallError::NotAnswered { cause: "the swarm is stopping".to_owned() };
        (&mut self.answer).await.map_err(lost)?
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.lane.withdraw(self.number);
    }
}
