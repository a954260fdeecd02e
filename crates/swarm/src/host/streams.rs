//! The behaviour of all stream protocols of ours: calls between peers and the exchange of blocks.
//!
//! Inbound streams go straight from the connection's task to whoever serves them, so nothing queues here; what is
//! open is counted and bounded per peer and in total.

mod budget;
mod handler;

use super::counters::SwarmCounters;
use crate::{
    bitswap,
    open_streams::{BoxedStream, OpenError},
};
use budget::{Budget, PeerBudget};
use cluster_core::{Multiaddr, PeerId};
pub(super) use handler::NEGOTIATION_TIMEOUT;
use handler::{Handler, Request};
use libp2p::{
    StreamProtocol,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm,
        behaviour::{DialFailure, ListenFailure},
    },
};
use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::sync::oneshot;

/// Protocol of calls between peers.
pub const RPC_PROTOCOL: StreamProtocol = StreamProtocol::new("/ipfscluster/1.0/rpc");

/// Calls between peers of this suite; who lists it answers more than Go's peers do.
pub const OWN_RPC_PROTOCOL: StreamProtocol = StreamProtocol::new("/cluster/rpc/1.0.0");

/// Raft's signs of life and votes, and their answers.
pub const RAFT_CONTROL_PROTOCOL: StreamProtocol = StreamProtocol::new("/cluster/raft/control/1.0.0");

/// Raft's entries and proposals, and their answers.
pub const RAFT_LOG_PROTOCOL: StreamProtocol = StreamProtocol::new("/cluster/raft/log/1.0.0");

/// Raft's snapshots, and the answers to them.
pub const RAFT_SNAPSHOT_PROTOCOL: StreamProtocol = StreamProtocol::new("/cluster/raft/snapshot/1.0.0");

/// Every protocol of ours: this suite's own one, then those that Go's peers speak too, the exchange of blocks last
/// (wire-protocol §1.4).
pub const STREAM_PROTOCOLS: &[StreamProtocol] = &[
    OWN_RPC_PROTOCOL,
    RPC_PROTOCOL,
    StreamProtocol::new(bitswap::IDS[0]),
    StreamProtocol::new(bitswap::IDS[1]),
    StreamProtocol::new(bitswap::IDS[2]),
    StreamProtocol::new(bitswap::IDS[3]),
];

/// The same and Raft, of a peer that answers its requests.
pub(crate) const STREAM_PROTOCOLS_WITH_RAFT: &[StreamProtocol] = &[
    OWN_RPC_PROTOCOL,
    RPC_PROTOCOL,
    RAFT_CONTROL_PROTOCOL,
    RAFT_LOG_PROTOCOL,
    RAFT_SNAPSHOT_PROTOCOL,
    StreamProtocol::new(bitswap::IDS[0]),
    StreamProtocol::new(bitswap::IDS[1]),
    StreamProtocol::new(bitswap::IDS[2]),
    StreamProtocol::new(bitswap::IDS[3]),
];

/// Takes the streams that peers open.
pub trait InboundStreams: Send + Sync + 'static {
    /// Names the protocols of the streams it takes: peers are told of these. Asked for each stream, so these may change.
    fn protocols(&self) -> &'static [StreamProtocol] {
        STREAM_PROTOCOLS
    }

    /// Takes a stream. Called on the connection's own task: must neither block nor take long. Dropping the stream
    /// resets it; until it is dropped it counts against the peer.
    fn on_stream(&self, peer: PeerId, protocol: StreamProtocol, stream: BoxedStream);
}

/// What an opener waits for.
pub(super) type Opened = Result<(StreamProtocol, BoxedStream), OpenError>;

/// Opens and takes streams.
pub(super) struct Streams {
    inbound: Arc<dyn InboundStreams>,
    budget: Arc<Budget>,
    peers: HashMap<PeerId, Peer>,
    events: VecDeque<ToSwarm<Infallible, Request>>,
}

struct Peer {
    /// Oldest first. Streams go over the newest one: of a peer that came back, the older ones may be dead.
    connections: Vec<ConnectionId>,
    budget: Arc<PeerBudget>,
}

impl Streams {
    pub(super) fn new(inbound: Arc<dyn InboundStreams>, counters: Arc<SwarmCounters>) -> Self {
        Self { inbound, budget: Budget::new(counters), peers: HashMap::new(), events: VecDeque::new() }
    }

    /// Starts to open a stream; the answer comes through `reply`.
    pub(super) fn open(
        &mut self,
        peer: PeerId,
        protocols: &'static [StreamProtocol],
        reply: oneshot::Sender<Opened>,
    ) {
        let Some((known, connection)) =
            self.peers.get(&peer).and_then(|known| Some((known, *known.connections.last()?)))
        else {
            _ = reply.send(Err(OpenError::NotConnected("the connection is gone".into())));
            return;
        };
        match known.budget.take_outbound() {
            Some(place) => self.events.push_back(ToSwarm::NotifyHandler {
                peer_id: peer,
                handler: NotifyHandler::One(connection),
                event: Request { protocols, reply, place },
            }),
            None => _ = reply.send(Err(OpenError::Refused("too many streams to this peer are open".into()))),
        }
    }

    /// Returns how many streams from and to a peer are in use.
    pub(super) fn in_use(&self, peer: &PeerId) -> usize {
        self.peers.get(peer).map_or(0, |known| known.budget.in_use())
    }

    fn handler(&mut self, peer: PeerId) -> Handler {
        let all = &self.budget;
        let known =
            self.peers.entry(peer).or_insert_with(|| Peer { connections: Vec::new(), budget: all.peer() });
        Handler::new(peer, self.inbound.clone(), known.budget.clone())
    }

    fn drop_if_unconnected(&mut self, peer: &PeerId) {
        if self.peers.get(peer).is_some_and(|known| known.connections.is_empty()) {
            self.peers.remove(peer);
        }
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                if let Some(known) = self.peers.get_mut(&event.peer_id) {
                    known.connections.push(event.connection_id);
                }
            }
            FromSwarm::ConnectionClosed(event) => {
                if let Some(known) = self.peers.get_mut(&event.peer_id) {
                    known.connections.retain(|id| *id != event.connection_id);
                }
                self.drop_if_unconnected(&event.peer_id);
            }
            // A later protocol refused a connection that already had a handler.
            FromSwarm::ListenFailure(ListenFailure { peer_id: Some(peer), .. })
            | FromSwarm::DialFailure(DialFailure { peer_id: Some(peer), .. }) => {
                self.drop_if_unconnected(&peer)
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        // No waker: events come from `open` alone, and whoever calls it polls the swarm afterwards.
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}
