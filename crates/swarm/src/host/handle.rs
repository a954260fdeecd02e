//! The handle: what the rest of the peer holds of the swarm.

use super::{
    counters::SwarmCounters,
    gossip::MAX_FRAME,
    shared::Shared,
    streams::{NEGOTIATION_TIMEOUT, Opened},
};
use crate::open_streams::{BoxedStream, OpenError, OpenStreams};
use cluster_core::{
    Metric, Multiaddr, PeerId,
    ports::{
        BoxFuture, Broadcast, Network,
        swarm::{ConnectError, KnownPeer, Traffic},
    },
};
use libp2p::{StreamProtocol, multiaddr::Protocol};
use std::{sync::Arc, time::Duration};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};
use tokio_util::sync::CancellationToken;

/// How long an opener waits: the negotiation has its own deadline, this one holds when the host is overloaded.
const OPEN_LIMIT: Duration = NEGOTIATION_TIMEOUT.saturating_add(Duration::from_secs(2));

/// How long an orderly stop may take.
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(10);

/// What the worker is asked to do.
pub(super) enum Command {
    Connect { peer: PeerId, addresses: Vec<Multiaddr>, reply: oneshot::Sender<Result<(), ConnectError>> },
    Open { peer: PeerId, protocols: &'static [StreamProtocol], reply: oneshot::Sender<Opened> },
    PublishMetric(Vec<u8>),
    PublishHeads(Vec<u8>),
    Discovered { peer: PeerId, addresses: Vec<Multiaddr> },
}

/// A handle of the running swarm; clones are handles of the same one.
#[derive(Clone)]
pub struct HostHandle {
    pub(super) shared: Arc<Shared>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) encode_metric: fn(&Metric) -> Vec<u8>,
    pub(super) stop: CancellationToken,
    pub(super) finished: CancellationToken,
}

impl HostHandle {
    /// Returns the ID of this peer.
    pub fn local_peer(&self) -> PeerId {
        self.shared.own
    }

    /// Returns where connections are accepted, with all interfaces spelt out, without `/p2p/`.
    pub fn listen_addresses(&self) -> Vec<Multiaddr> {
        self.shared.state().listening.clone()
    }

    /// Returns the counts of what was refused and dropped.
    pub fn counters(&self) -> &SwarmCounters {
        &self.shared.counters
    }

    /// Notes that the peer works: from now on an orderly stop writes the file of peers.
    pub fn mark_ready(&self) {
        self.shared.set_ready();
    }

    /// Closes all connections and writes the file of peers; returns when that is done, after at most ten seconds.
    pub async fn stop(&self) {
        self.stop.cancel();
        if tokio::time::timeout(STOP_LIMIT, self.finished.cancelled()).await.is_err() {
            tracing::warn!(target: "swarm", "the swarm did not stop in time");
        }
    }

    fn publish(&self, command: Command, bytes: usize) {
        if bytes > MAX_FRAME || self.commands.try_send(command).is_err() {
            self.shared.counters.dropped_publishes.increase();
        }
    }

    fn with_own_id(&self, addresses: &[Multiaddr]) -> Vec<Multiaddr> {
        addresses.iter().map(|address| address.clone().with(Protocol::P2p(self.shared.own))).collect()
    }
}

impl Network for HostHandle {
    fn traffic(&self) -> Vec<(String, Traffic)> {
        self.shared.counters.bandwidth.traffic()
    }

    fn local_addresses(&self) -> Vec<Multiaddr> {
        self.with_own_id(&self.shared.state().told)
    }

    fn known_peers(&self) -> Vec<KnownPeer> {
        self.shared.state().book.known()
    }

    fn is_ours(&self, peer: &PeerId) -> Option<bool> {
        self.shared.state().book.ours(peer)
    }

    fn addresses_of(&self, peer: &PeerId) -> Vec<Multiaddr> {
        self.shared.state().book.addresses_of(peer)
    }

    fn connect(&self, peer: PeerId, addresses: Vec<Multiaddr>) -> BoxFuture<'_, Result<(), ConnectError>> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            match self.commands.try_send(Command::Connect { peer, addresses, reply }) {
                Ok(()) => answer.await.unwrap_or(Err(ConnectError::Stopping)),
                Err(TrySendError::Closed(_)) => Err(ConnectError::Stopping),
                Err(TrySendError::Full(_)) => {
                    Err(ConnectError::Failed { peer, cause: "too much is asked of the swarm at once".into() })
                }
            }
        })
    }

    fn forget(&self, peer: PeerId) {
        let mut state = self.shared.state();
        state.book.forget(&peer);
        state.forgotten.insert(peer);
        drop(state);
        self.shared.forgotten_changed.notify_one();
    }

    fn allow(&self, peer: PeerId) {
        self.shared.state().forgotten.remove(&peer);
        self.shared.forgotten_changed.notify_one();
    }

    fn protect(&self, peers: Vec<PeerId>) {
        self.shared.state().book.protect(peers);
    }
}

impl Broadcast for HostHandle {
    fn publish_metric(&self, metric: &Metric) {
        let payload = (self.encode_metric)(metric);
        let bytes = payload.len();
        self.publish(Command::PublishMetric(payload), bytes);
    }

    fn publish_heads(&self, payload: Vec<u8>) {
        let bytes = payload.len();
        self.publish(Command::PublishHeads(payload), bytes);
    }
}

/// Dials a peer that is not connected, by the addresses known and those the swarm finds.
impl OpenStreams for HostHandle {
    fn open(
        &self,
        peer: PeerId,
        protocols: &'static [StreamProtocol],
    ) -> BoxFuture<'_, Result<(StreamProtocol, BoxedStream), OpenError>> {
        Box::pin(async move {
            let connected = self.shared.state().book.is_connected(&peer);
            if !connected {
                self.connect(peer, Vec::new()).await.map_err(|error| match error {
                    ConnectError::Stopping => OpenError::Stopping,
                    other => OpenError::NotConnected(other.to_string()),
                })?;
            }
            let (reply, answer) = oneshot::channel();
            self.commands.try_send(Command::Open { peer, protocols, reply }).map_err(
                |error| match error {
                    TrySendError::Closed(_) => OpenError::Stopping,
                    TrySendError::Full(_) => {
                        OpenError::Refused("too much is asked of the swarm at once".into())
                    }
                },
            )?;
            match tokio::time::timeout(OPEN_LIMIT, answer).await {
                Ok(Ok(opened)) => opened,
                Ok(Err(_)) if self.stop.is_cancelled() => Err(OpenError::Stopping),
                Ok(Err(_)) => Err(OpenError::NotConnected("the connection closed".into())),
                Err(_) => Err(OpenError::Refused(format!("no answer within {}s", OPEN_LIMIT.as_secs()))),
            }
        })
    }
}
