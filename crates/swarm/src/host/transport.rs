//! The transport, layer by layer (wire-protocol §1.1), and what its failures mean.

use super::{counters::SwarmCounters, error::SwarmError, own_port::OwnPortTcp, security::Security};
use cluster_core::{ClusterSecret, PeerId};
use futures_util::{
    future::Either,
    io::{AsyncRead, AsyncWrite},
};
use libp2p::{
    Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{
            Boxed, TransportError,
            timeout::{TransportTimeout, TransportTimeoutError},
        },
        upgrade::Version,
    },
    dns,
    identity::Keypair,
    pnet::{PnetConfig, PnetError, PreSharedKey},
    relay,
    swarm::derive_prelude::Either as Layered,
    websocket, yamux,
};
use std::{fmt::Display, io, sync::Arc, time::Duration};

/// How long a connection may take from its first byte to the end of the handshake, both ways.
///
/// Peers without a secret, and peers with one, wait for each other for ever: this ends it.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Streams of one connection; a peer that opens more loses the connection.
const MAX_STREAMS_PER_CONNECTION: usize = 1024;

/// Where a connection that did not come about ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// Nobody answered there.
    #[error("{0}")]
    Unreachable(String),
    /// It hung up before it said anything, as probes of load balancers do.
    #[error("closed before a handshake")]
    Probe,
    /// Somebody answered, but the handshake broke.
    #[error("{0}")]
    Broke(String),
    /// Somebody answered, and then nothing came.
    #[error("no handshake within {}s", HANDSHAKE_TIMEOUT.as_secs())]
    Silent,
}

impl LinkError {
    /// Finds out where a connection ended; `None` for failures of other kinds.
    pub(super) fn of(error: &TransportError<io::Error>) -> Option<&Self> {
        match error {
            TransportError::Other(error) => error.get_ref()?.downcast_ref(),
            TransportError::MultiaddrNotSupported(_) => None,
        }
    }

    /// Says whether another secret at the other side explains it.
    pub(super) fn smells_of_secret(&self) -> bool {
        matches!(self, Self::Broke(_) | Self::Silent)
    }

    fn unreachable(error: impl Display) -> Self {
        Self::Unreachable(error.to_string())
    }

    fn broke(error: impl Display) -> Self {
        Self::Broke(error.to_string())
    }
}

/// Says what it means that the exchange of nonces, the first thing on a connection, failed.
fn nonces_failed(error: PnetError, inbound: bool) -> LinkError {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    match error {
        PnetError::HandshakeError(error) | PnetError::IoError(error)
            if inbound && matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe) =>
        {
            LinkError::Probe
        }
        error => LinkError::broke(error),
    }
}

/// Builds the transport, and the behaviour that belongs to its relay part.
pub(super) fn build(
    keypair: &Keypair,
    secret: Option<&ClusterSecret>,
    dial_timeout: Duration,
    counters: Arc<SwarmCounters>,
) -> Result<(Boxed<(PeerId, StreamMuxerBox)>, relay::client::Behaviour), SwarmError> {
    let (relay, relay_behaviour) = relay::client::new(keypair.public().to_peer_id());
    let transport = secured(relay.or_transport(direct()), keypair, secret, dial_timeout, counters)?;
    Ok((transport, relay_behaviour))
}

/// Builds the transport without relays.
pub(super) fn build_direct(
    keypair: &Keypair,
    secret: Option<&ClusterSecret>,
    dial_timeout: Duration,
    counters: Arc<SwarmCounters>,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, SwarmError> {
    secured(direct(), keypair, secret, dial_timeout, counters)
}

/// Builds what reaches others straight. WebSocket resolves names itself, or certificates could not be checked against them.
fn direct() -> impl Transport<
    Output = impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    Error = impl Display + Send + Sync + 'static,
    Dial = impl Send,
    ListenerUpgrade = impl Send,
> + Send
+ Unpin
+ 'static {
    websocket::Config::new(named_tcp()).or_transport(named_tcp())
}

/// Puts secret, encryption and streams on top of what reaches others.
fn secured<T>(
    reached: T,
    keypair: &Keypair,
    secret: Option<&ClusterSecret>,
    dial_timeout: Duration,
    counters: Arc<SwarmCounters>,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, SwarmError>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Display + Send + Sync + 'static,
    T::Dial: Send,
    T::ListenerUpgrade: Send,
{
    let security = Security::new(keypair).map_err(|cause| SwarmError::Setup { part: "encryption", cause })?;
    let psk = secret.map(|secret| PnetConfig::new(PreSharedKey::new(*secret.expose())));
    let reached = reached.map_err(LinkError::unreachable);
    let mut muxer = yamux::Config::default();
    muxer.set_max_num_streams(MAX_STREAMS_PER_CONNECTION);

    let secured = TransportTimeout::new(reached, dial_timeout)
        .map_err(|error| timeout_or(error, LinkError::unreachable("no answer in time")))
        .and_then(move |stream, end| async move {
            match psk {
                Some(psk) => psk
                    .handshake(stream)
                    .await
                    .map(Either::Left)
                    .map_err(|error| nonces_failed(error, end.is_listener())),
                None => Ok(Either::Right(stream)),
            }
        })
        .map_err(Layered::into_inner)
        .upgrade(Version::V1)
        .authenticate(security)
        .multiplex(muxer)
        .map(move |(peer, muxer), _| counters.bandwidth.count(peer, StreamMuxerBox::new(muxer)))
        .map_err(|error| match error {
            Layered::Left(Layered::Left(link)) => link,
            other => LinkError::broke(other),
        });
    Ok(TransportTimeout::new(secured, HANDSHAKE_TIMEOUT)
        .map_err(|error| timeout_or(error, LinkError::Silent))
        .boxed())
}

/// Builds TCP that resolves names. Where the system names no servers, `/etc/hosts` is all there is.
fn named_tcp() -> dns::tokio::Transport<OwnPortTcp> {
    dns::tokio::Transport::system(OwnPortTcp::default()).unwrap_or_else(|error| {
        tracing::warn!(target: "swarm", %error, "no name servers: names in addresses cannot be resolved");
        let (config, options) = (dns::ResolverConfig::default(), dns::ResolverOpts::default());
        dns::tokio::Transport::custom(OwnPortTcp::default(), config, options)
    })
}

fn timeout_or(error: TransportTimeoutError<LinkError>, timeout: LinkError) -> LinkError {
    match error {
        TransportTimeoutError::Timeout => timeout,
        TransportTimeoutError::TimerError(error) => LinkError::unreachable(error),
        TransportTimeoutError::Other(error) => error,
    }
}
