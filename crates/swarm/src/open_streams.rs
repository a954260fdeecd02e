//! What the stream protocols need of the host: a way to open streams. Tests put in-memory pipes behind it.

use cluster_core::{PeerId, ports::BoxFuture};
use futures_util::io::{AsyncRead, AsyncWrite};
use libp2p::StreamProtocol;
use std::pin::Pin;

/// A stream to or from a peer, both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Duplex for T {}

impl std::fmt::Debug for dyn Duplex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stream")
    }
}

/// A boxed stream.
pub type BoxedStream = Pin<Box<dyn Duplex>>;

/// Why a stream was not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No connection, and none came about.
    #[error("cannot connect: {0}")]
    NotConnected(String),
    /// The peer speaks none of the protocols.
    #[error("the peer does not speak {0}")]
    Unsupported(&'static str),
    /// Too many streams to this peer are open, or the peer did not answer in time.
    #[error("no stream: {0}")]
    Refused(String),
    /// The host is stopping.
    #[error("the swarm is stopping")]
    Stopping,
}

/// Opens streams to peers.
///
/// # Contract
/// * Protocols are offered in order; the one agreed on comes back.
/// * An opener decides whether it dials a peer that is not connected.
/// * Bounded: at most a fixed number of streams per peer wait to be opened; more are refused.
pub trait OpenStreams: Send + Sync + 'static {
    /// Opens a stream to `peer`.
    fn open(
        &self,
        peer: PeerId,
        protocols: &'static [StreamProtocol],
    ) -> BoxFuture<'_, Result<(StreamProtocol, BoxedStream), OpenError>>;
}
