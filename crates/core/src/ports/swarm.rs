//! The ports of the private swarm: who is connected, what is told to all, and the exchange of blocks.

use super::BoxFuture;
use crate::metric::Metric;
use cid::Cid;
use libp2p_identity::PeerId;
use multiaddr::Multiaddr;
use std::time::Duration;

/// What became of a message of the gossip; reported for the peer that passed it on, at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Good: pass it on.
    Accept,
    /// Not for us to judge (such as a full queue): do not pass it on, blame nobody.
    Ignore,
    /// Bad: do not pass it on.
    Reject,
}

/// What happens to the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerEvent {
    /// The first connection to a peer is there.
    Connected(PeerId),
    /// The peer said which protocols it speaks; `ours` when it is a peer of this suite.
    Identified {
        /// The peer.
        peer: PeerId,
        /// Whether it answers the calls that only this suite knows, and streams in key order.
        ours: bool,
    },
    /// The peer listens to metrics from now on: what was told before did not reach it.
    ListensToMetrics(PeerId),
    /// The last connection to a peer is gone.
    Disconnected(PeerId),
}

/// Receives what the swarm hears. Called on the swarm's own task: nothing here may block or take long, so an
/// implementation hands over to bounded queues and counts what did not fit.
pub trait SwarmListener: Send + Sync + 'static {
    /// A signed list of heads came (wire-protocol §4.3).
    fn on_heads(&self, author: PeerId, payload: &[u8]) -> Verdict;

    /// A signed metric of its author came.
    fn on_metric(&self, metric: Metric) -> Verdict;

    /// Connections changed.
    fn on_peer(&self, event: PeerEvent);
}

/// Tells all peers something. Nothing here waits: what cannot be sent now is dropped, since everything told is
/// told again later.
pub trait Broadcast: Send + Sync + 'static {
    /// Tells a metric of this peer.
    fn publish_metric(&self, metric: &Metric);

    /// Tells heads; the payload is that of wire-protocol §4.3.
    fn publish_heads(&self, payload: Vec<u8>);
}

/// Why a block did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Nobody had it within the time.
    #[error("no connected peer served the block within {}s", after.as_secs_f32())]
    NotServed {
        /// Time waited.
        after: Duration,
    },
    /// Too many blocks are asked for.
    #[error("too many blocks are asked for at once")]
    Full,
    /// The swarm is stopping.
    #[error("the swarm is stopping")]
    Stopping,
}

/// Gets blocks from other peers.
///
/// # Contract
/// * What is returned hashes to the CID asked for and is at most 4 MiB large.
/// * Several fetches of one CID share what is sent.
/// * **Cancel safety.** Dropping the future takes the want back.
pub trait Blocks: Send + Sync + 'static {
    /// Fetches a block within `limit`; `first`, when connected, is asked before all others.
    fn fetch(
        &self,
        cid: Cid,
        first: Option<PeerId>,
        limit: Duration,
    ) -> BoxFuture<'_, Result<Vec<u8>, FetchError>>;

    /// Notes that a block is here now: peers that asked for it before get it.
    fn announce(&self, cid: Cid);

    /// Notes that a block which is here is told about now: peers of this suite get it at once when it is small, without
    /// a question.
    fn offer(&self, cid: Cid);
}

/// Serves blocks to other peers. Called on threads that may block.
pub trait BlockSource: Send + Sync + 'static {
    /// Reads a block; `None` when it is not here or cannot be read now.
    fn block(&self, cid: &Cid) -> Option<Vec<u8>>;
}

/// A peer of the swarm as this one knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownPeer {
    /// Its ID.
    pub id: PeerId,
    /// Whether a connection is open.
    pub connected: bool,
    /// Whether it is a peer of this suite; `None` before it said so.
    pub ours: Option<bool>,
}

/// Why no connection came about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Nothing is known of where the peer is.
    #[error("no address of peer {peer} is known: give one, or connect to a peer that knows it")]
    NoAddress {
        /// The peer.
        peer: PeerId,
    },
    /// Nobody answered as that peer.
    #[error("cannot connect to peer {peer}: {cause}")]
    Failed {
        /// The peer.
        peer: PeerId,
        /// What went wrong with each address.
        cause: String,
    },
    /// Somebody answered, but the handshake broke as it does with another secret.
    #[error(
        "cannot connect to peer {peer}: the handshake broke ({cause}); most likely its cluster secret is another one than ours (cluster.secret)"
    )]
    Secret {
        /// The peer.
        peer: PeerId,
        /// What broke.
        cause: String,
    },
    /// The peer was forgotten on purpose.
    #[error("peer {peer} was removed on purpose: add it again to connect to it")]
    Forgotten {
        /// The peer.
        peer: PeerId,
    },
    /// The swarm is stopping.
    #[error("the swarm is stopping")]
    Stopping,
}

/// Traffic of a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Traffic {
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes a second received lately.
    pub rate_received: f64,
    /// Bytes a second sent lately.
    pub rate_sent: f64,
}

/// The connections of this peer.
pub trait Network: Send + Sync + 'static {
    /// Returns the traffic since the start by protocol: those of streams of ours, and the rest in one sum.
    fn traffic(&self) -> Vec<(String, Traffic)>;

    /// Returns the addresses this peer tells others, each ending in `/p2p/<id>`.
    fn local_addresses(&self) -> Vec<Multiaddr>;

    /// Lists the peers connected or known by address, sorted by binary ID.
    fn known_peers(&self) -> Vec<KnownPeer>;

    /// Says whether a connected peer is one of this suite; `None` when it is not connected or has not said yet.
    fn is_ours(&self, peer: &PeerId) -> Option<bool>;

    /// Returns the known addresses of a peer, each ending in `/p2p/<id>`; when it has DNS addresses, only those.
    fn addresses_of(&self, peer: &PeerId) -> Vec<Multiaddr>;

    /// Remembers addresses of a peer and connects to it unless it is connected; without addresses those known
    /// and those the swarm finds are tried.
    fn connect(&self, peer: PeerId, addresses: Vec<Multiaddr>) -> BoxFuture<'_, Result<(), ConnectError>>;

    /// Closes every connection to a peer, drops its addresses and refuses it until [`Network::allow`].
    fn forget(&self, peer: PeerId);

    /// Takes [`Network::forget`] back.
    fn allow(&self, peer: PeerId);

    /// Keeps connections to these peers when there are too many.
    fn protect(&self, peers: Vec<PeerId>);
}

/// Answers a peer of this suite that tells its heads and asks for ours.
pub trait HeadsExchange: Send + Sync + 'static {
    /// Takes note of the heads of `from`, when it is trusted, and returns our own (wire-protocol §4.3).
    fn exchange_heads(&self, from: PeerId, payload: Vec<u8>) -> BoxFuture<'_, Vec<u8>>;
}
