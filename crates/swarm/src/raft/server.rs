//! Answers other members.

use super::server_stream::{self, ServeError};
use crate::open_streams::BoxedStream;
use cluster_core::{
    PeerId,
    ports::{RaftAnswers, raft::RaftLane},
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio_util::sync::CancellationToken;

/// What was refused.
#[derive(Debug, Default)]
pub(crate) struct RaftDrops {
    /// Requests of peers that are no members.
    refused: AtomicU64,
    /// Streams ended because of bytes that break the rules.
    garbage: AtomicU64,
    /// Streams ended because the peer was too slow, or took no answers.
    slow: AtomicU64,
}

impl RaftDrops {
    pub(super) fn note_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many requests of peers that are no members were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Returns how many streams were ended because of bytes that break the rules.
    pub(crate) fn garbage(&self) -> u64 {
        self.garbage.load(Ordering::Relaxed)
    }

    /// Returns how many streams were ended because the peer was too slow.
    pub(crate) fn slow(&self) -> u64 {
        self.slow.load(Ordering::Relaxed)
    }
}

/// The stream that a peer has in a lane.
struct Current {
    end: CancellationToken,
    /// Held by the stream that is served.
    turn: Arc<tokio::sync::Mutex<()>>,
    generation: u64,
}

/// Serves the streams of other members, from the moment on that it is told who answers.
pub(crate) struct RaftServer {
    answers: OnceLock<Arc<dyn RaftAnswers>>,
    streams: Mutex<HashMap<(PeerId, RaftLane), Current>>,
    generations: AtomicU64,
    drops: RaftDrops,
    stop: CancellationToken,
}

impl RaftServer {
    /// Makes a server that answers nobody yet. Ends when `stop` is cancelled.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self {
            answers: OnceLock::new(),
            streams: Mutex::default(),
            generations: AtomicU64::new(0),
            drops: RaftDrops::default(),
            stop,
        }
    }

    /// Takes who answers; the first one stays.
    pub(crate) fn serve(&self, answers: Arc<dyn RaftAnswers>) {
        // A second one would be a mistake of whoever assembles the peer.
        let _ = self.answers.set(answers);
    }

    /// Says whether anybody answers.
    pub(crate) fn is_serving(&self) -> bool {
        self.answers.get().is_some()
    }

    /// Returns the counts of what was refused.
    pub(crate) fn drops(&self) -> &RaftDrops {
        &self.drops
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(PeerId, RaftLane), Current>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a stream in a task of its own. The peer's stream before in this lane ends first: its sender has given it up,
    /// and what is left in it must not come after what is in the new one.
    pub(crate) fn on_stream(self: &Arc<Self>, peer: PeerId, lane: RaftLane, stream: BoxedStream) {
        let Some(answers) = self.answers.get().cloned() else { return };
        let end = self.stop.child_token();
        let generation = self.generations.fetch_add(1, Ordering::Relaxed);
        let mut streams = self.lock();
        let turn = streams.get(&(peer, lane)).map(|before| before.turn.clone()).unwrap_or_default();
        let current = Current { end: end.clone(), turn: turn.clone(), generation };
        if let Some(before) = streams.insert((peer, lane), current) {
            before.end.cancel();
        }
        drop(streams);
        let server = self.clone();
        tokio::spawn(async move {
            let serving = async {
                let _turn = turn.lock().await;
                // Boxed: its state is large.
                Box::pin(server_stream::serve(&*answers, peer, lane, stream, &server.drops)).await
            };
            let served = tokio::select! {
                // The end first: what came with it must not be looked at any more.
                biased;
                () = end.cancelled() => Ok(()),
                served = serving => served,
            };
            if let Err(error) = served {
                server.note(&error);
                tracing::debug!(target: "raft", %peer, ?lane, %error, "a stream ended");
            }
            let mut streams = server.lock();
            if streams.get(&(peer, lane)).is_some_and(|current| current.generation == generation) {
                streams.remove(&(peer, lane));
            }
        });
    }

    /// Takes note of a peer that is gone: its streams end, also those that are not read at the moment, and would not notice.
    pub(crate) fn on_disconnected(&self, peer: PeerId) {
        let streams = self.lock();
        for lane in RaftLane::ALL {
            if let Some(current) = streams.get(&(peer, lane)) {
                current.end.cancel();
            }
        }
    }

    /// Counts the streams that are served.
    #[cfg(test)]
    pub(super) fn streams_held(&self) -> usize {
        self.lock().len()
    }

    fn note(&self, error: &ServeError) {
        let count = match error {
            ServeError::Garbage(_) | ServeError::OutOfOrder => &self.drops.garbage,
            ServeError::Slow | ServeError::Stalled => &self.drops.slow,
            ServeError::Broken(_) | ServeError::TooLong { .. } => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
