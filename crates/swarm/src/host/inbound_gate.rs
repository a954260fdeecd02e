//! Keeps one machine from taking all places of connections that are still being set up.

use cluster_core::{Multiaddr, PeerId};
use libp2p::{
    core::{Endpoint, transport::PortUse},
    multiaddr::Protocol,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, dummy,
    },
};
use std::{
    collections::HashMap,
    convert::Infallible,
    net::{IpAddr, Ipv6Addr},
    task::{Context, Poll},
};

/// Connections from one address (of IPv6: one /56) that may be in their handshake at the same time; more are
/// refused. Honest peers behind one address try again.
const MAX_PENDING_PER_SOURCE: usize = 64;

/// Refuses connections of sources that have too many in their handshake.
#[derive(Default)]
pub(super) struct InboundGate {
    pending: HashMap<ConnectionId, IpAddr>,
    sources: HashMap<IpAddr, usize>,
}

/// A source has too many connections in their handshake.
#[derive(Debug, thiserror::Error)]
#[error("too many connections from {0} are in their handshake")]
struct TooManyPending(IpAddr);

impl InboundGate {
    fn done(&mut self, connection: ConnectionId) {
        let Some(source) = self.pending.remove(&connection) else { return };
        if let Some(count) = self.sources.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&source);
            }
        }
    }
}

fn source(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 72)).into()),
        _ => None,
    }
}

impl NetworkBehaviour for InboundGate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        // Circuits have no address of their own; the limit of all pending ones holds for them.
        let Some(source) = source(remote) else { return Ok(()) };
        let count = self.sources.entry(source).or_default();
        if *count >= MAX_PENDING_PER_SOURCE {
            return Err(ConnectionDenied::new(TooManyPending(source)));
        }
        *count += 1;
        self.pending.insert(connection, source);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.done(connection);
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ListenFailure(failure) = event {
            self.done(failure.connection_id);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}
