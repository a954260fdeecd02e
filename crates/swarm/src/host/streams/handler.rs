//! Opens and takes the streams of one connection.

use super::{
    InboundStreams, Opened,
    budget::{PeerBudget, Place},
};
use crate::{host::bandwidth::Counted, open_streams::OpenError};
use cluster_core::PeerId;
use libp2p::{
    StreamProtocol,
    core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo},
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, Stream, StreamUpgradeError, SubstreamProtocol,
        handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound},
    },
};
use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Ready, ready},
    iter::Cloned,
    slice,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::oneshot;

/// How long the two sides may take to agree on the protocol of a stream.
pub(in crate::host) const NEGOTIATION_TIMEOUT: Duration = Duration::from_secs(10);

/// A stream to open.
#[derive(Debug)]
pub(in crate::host) struct Request {
    pub(super) protocols: &'static [StreamProtocol],
    pub(super) reply: oneshot::Sender<Opened>,
    pub(super) place: Place,
}

/// The streams of one connection.
pub(in crate::host) struct Handler {
    peer: PeerId,
    inbound: Arc<dyn InboundStreams>,
    budget: Arc<PeerBudget>,
    /// Bounded by the places of the budget.
    requests: VecDeque<Request>,
}

impl Handler {
    pub(super) fn new(peer: PeerId, inbound: Arc<dyn InboundStreams>, budget: Arc<PeerBudget>) -> Self {
        Self { peer, inbound, budget, requests: VecDeque::new() }
    }
}

/// What is asked of the other side for one stream, and who waits for it.
pub(in crate::host) struct Pending {
    offered: &'static [StreamProtocol],
    reply: oneshot::Sender<Opened>,
    place: Place,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Request;
    type ToBehaviour = Infallible;
    type InboundProtocol = OneOf;
    type OutboundProtocol = OneOf;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Pending;

    fn listen_protocol(&self) -> SubstreamProtocol<OneOf> {
        SubstreamProtocol::new(OneOf(self.inbound.protocols()), ()).with_timeout(NEGOTIATION_TIMEOUT)
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<OneOf, Pending, Infallible>> {
        // No waker: requests come through `on_behaviour_event` alone, after which this is polled.
        let Some(Request { protocols, reply, place }) = self.requests.pop_front() else {
            return Poll::Pending;
        };
        let pending = Pending { offered: protocols, reply, place };
        let protocol = SubstreamProtocol::new(OneOf(protocols), pending).with_timeout(NEGOTIATION_TIMEOUT);
        Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
    }

    fn on_behaviour_event(&mut self, request: Request) {
        self.requests.push_back(request);
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, OneOf, OneOf, (), Pending>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (stream, protocol),
                ..
            }) => {
                if let Some(place) = self.budget.take_inbound() {
                    let stream = Counted::new(stream, self.budget.flow(&protocol), place);
                    self.inbound.on_stream(self.peer, protocol, Box::pin(stream));
                }
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: (stream, protocol),
                info,
            }) => {
                let stream = Counted::new(stream, self.budget.flow(&protocol), info.place);
                _ = info.reply.send(Ok((protocol, Box::pin(stream))));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                _ = info.reply.send(Err(match error {
                    StreamUpgradeError::NegotiationFailed => {
                        OpenError::Unsupported(info.offered.first().map_or("", |first| static_name(first)))
                    }
                    StreamUpgradeError::Timeout => {
                        OpenError::Refused(format!("no answer within {}s", NEGOTIATION_TIMEOUT.as_secs()))
                    }
                    StreamUpgradeError::Io(error) => OpenError::NotConnected(error.to_string()),
                    StreamUpgradeError::Apply(never) => match never {},
                }));
            }
            _ => {}
        }
    }
}

/// Lends the name for as long as the protocols, which are static, live.
fn static_name(protocol: &'static StreamProtocol) -> &'static str {
    protocol.as_ref()
}

/// Agrees on one of several protocols, the first ones rather than the last.
#[derive(Debug, Clone, Copy)]
pub(in crate::host) struct OneOf(&'static [StreamProtocol]);

impl UpgradeInfo for OneOf {
    type Info = StreamProtocol;
    type InfoIter = Cloned<slice::Iter<'static, StreamProtocol>>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.iter().cloned()
    }
}

impl InboundUpgrade<Stream> for OneOf {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((stream, protocol)))
    }
}

impl OutboundUpgrade<Stream> for OneOf {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((stream, protocol)))
    }
}
