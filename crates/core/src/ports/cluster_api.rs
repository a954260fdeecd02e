//! The port through which API servers use a peer.

use super::{
    BoxFuture, BoxStream,
    browse_api::{BrowseApi, EventPosition},
    consensus::{
        BarrierError, CrdtHealth, Etag, MembershipError, Precondition, RaftHealth, RequestId, SubmitError,
    },
    datastore::StoreError,
    ipfs_connector::{GcItem, IpfsError, IpfsId},
    rpc::CallError,
    swarm::{ConnectError, Traffic},
};
use crate::{
    ErrorKind, Metric, Pin, PinKey, PinKindFilter, StatusFilter, TrackerStatus, UnixMillis, parse_cid,
    pinset::search::SearchError,
};
use cid::Cid;
use libp2p_identity::PeerId;
use multiaddr::Multiaddr;
use std::{collections::BTreeMap, time::Duration};

/// What a peer says of itself (api §2.7, ID).
#[derive(Debug, Clone)]
pub struct PeerInfo {
    /// Its peer ID.
    pub id: PeerId,
    /// Its addresses, each ending in `/p2p/<id>`.
    pub addresses: Vec<Multiaddr>,
    /// Members of the cluster, itself included.
    pub cluster_peers: Vec<PeerId>,
    /// Known addresses of the other members.
    pub cluster_peers_addresses: Vec<Multiaddr>,
    /// Version of its software.
    pub version: String,
    /// RPC protocol it speaks.
    pub rpc_protocol_version: String,
    /// Its display name.
    pub peername: String,
    /// Its IPFS daemon, or why that does not answer.
    pub ipfs: Result<IpfsId, String>,
    /// Why the peer itself did not answer; then only `id` means anything.
    pub error: Option<String>,
}

/// Status of one pin on one peer (api §2.6, PinInfoShort).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinStatusOnPeer {
    /// The cluster peer.
    pub peer: PeerId,
    /// Its display name.
    pub peername: String,
    /// Its IPFS daemon, when known.
    pub ipfs_peer_id: Option<PeerId>,
    /// Addresses of that daemon.
    pub ipfs_peer_addresses: Vec<Multiaddr>,
    /// The status.
    pub status: TrackerStatus,
    /// Since when.
    pub timestamp: UnixMillis,
    /// The last error, empty when there is none.
    pub error: String,
    /// Attempts made so far.
    pub attempt_count: u32,
    /// Whether the pin is in the priority lane.
    pub priority_pin: bool,
}

/// Status of one pin on one peer, with what that peer knows of the pin (api §2.6, PinInfo).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPinStatus {
    /// The pin as stored; for a CID outside the pinset a bare one with that CID.
    pub pin: Pin,
    /// When the pin was made, or now for a CID outside the pinset.
    pub created: UnixMillis,
    /// The status on that peer.
    pub on_peer: PinStatusOnPeer,
}

/// Status of one pin on all peers asked (api §2.6, GlobalPinInfo).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalPinStatus {
    /// The pin as stored; for a CID outside the pinset a bare one with that CID.
    pub pin: Pin,
    /// When the pin was made, or now for a CID outside the pinset.
    pub created: UnixMillis,
    /// One entry per peer, sorted by textual peer ID.
    pub peers: Vec<PinStatusOnPeer>,
}

/// What collecting garbage on one peer's IPFS daemon brought (api §2.7, RepoGC).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoGc {
    /// The cluster peer.
    pub peer: PeerId,
    /// Its display name.
    pub peername: String,
    /// Each block that was removed, or an error of the daemon about one.
    pub keys: Vec<GcItem>,
    /// Why the whole failed; empty when it did not.
    pub error: String,
}

/// Who is connected to whom (api §10.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectGraph {
    /// The peer that answers.
    pub cluster_id: PeerId,
    /// Display names of the members.
    pub peernames: BTreeMap<PeerId, String>,
    /// IPFS peer to the IPFS peers it is connected to.
    pub ipfs_links: BTreeMap<PeerId, Vec<PeerId>>,
    /// Member to the members it can reach.
    pub cluster_links: BTreeMap<PeerId, Vec<PeerId>>,
    /// Whether the answering peer trusts a member.
    pub trust_links: BTreeMap<PeerId, bool>,
    /// Member to its IPFS peer.
    pub cluster_to_ipfs: BTreeMap<PeerId, PeerId>,
}

/// A metric that expired without a successor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// The metric.
    pub metric: Metric,
    /// When that was noticed.
    pub triggered_at: UnixMillis,
}

/// Whether to ask this peer alone or every member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This peer alone (`local=true`).
    Local,
    /// Every member.
    Cluster,
}

/// An IPFS path as clients give it: `ipfs`, `ipns` or `ipld`, then one or more segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpfsPath {
    text: String,
    immutable: Option<Cid>,
}

/// Says why a text is no IPFS path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid path \"{text}\": {reason}")]
pub struct PathError {
    text: String,
    reason: String,
}

impl IpfsPath {
    /// Parses `/ipfs/<cid>[/…]`, `/ipns/<name>[/…]` or `/ipld/<cid>[/…]`.
    ///
    /// # Errors
    /// When the namespace is another, the root is missing or an immutable root is no CID.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let fail = |reason: &str| PathError { text: text.to_owned(), reason: reason.to_owned() };
        let mut segments = text.split('/').filter(|s| !s.is_empty());
        if !text.starts_with('/') {
            return Err(fail("does not start with a slash"));
        }
        let namespace = segments.next().ok_or_else(|| fail("is empty"))?;
        let root = segments.next().ok_or_else(|| fail("has nothing after the namespace"))?;
        let rest: Vec<&str> = segments.collect();
        let immutable = match namespace {
            "ipfs" | "ipld" => Some(parse_cid(root).map_err(|error| fail(&error.to_string()))?),
            "ipns" => None,
            _ => return Err(fail("the namespace is not ipfs, ipns or ipld")),
        };
        let mut clean = format!("/{namespace}/{root}");
        for segment in &rest {
            clean.push('/');
            clean.push_str(segment);
        }
        Ok(Self { text: clean, immutable: immutable.filter(|_| rest.is_empty()) })
    }

    /// Returns the CID when the path is nothing but one.
    pub fn as_cid(&self) -> Option<Cid> {
        self.immutable
    }

    /// Returns the cleaned text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// A wish to pin.
#[derive(Debug, Clone)]
pub struct PinWish {
    /// The pin; its CID and options are what the user gave, allocations are empty.
    pub pin: Pin,
    /// How long it shall live, when that is what the user gave: `expire_at` was computed from it.
    pub expires_in: Option<Duration>,
    /// What must hold.
    pub precondition: Precondition,
    /// Idempotency key.
    pub request_id: Option<RequestId>,
}

/// Failure of a use case.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The change was refused or its outcome is unknown.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The IPFS daemon failed.
    #[error(transparent)]
    Ipfs(#[from] IpfsError),
    /// Another peer did not answer as hoped.
    #[error(transparent)]
    Call(#[from] CallError),
    /// No connection to another peer came about.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The members could not be changed.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// The latest state cannot be read.
    #[error(transparent)]
    Barrier(#[from] BarrierError),
    /// The pinset is not fit to be read yet.
    #[error(
        "this peer is not ready: it has not caught up with the other members since it started; ask again, or ask another one"
    )]
    NotReady,
    /// The consensus has no members to remove (api §3.6).
    #[error("crdt consensus component cannot remove peers")]
    CannotRemovePeers,
    /// The peer cannot remove itself.
    #[error("a peer cannot forget itself: stop it, and forget it on the other peers")]
    ForgetSelf,
    /// The list of forgotten peers could not be written; nothing changed.
    #[error("the list of forgotten peers could not be written: {cause}")]
    Forgotten {
        /// Why.
        cause: String,
    },
    /// The CID is not in the pinset.
    #[error("pin is not part of the pinset")]
    NotPinned,
    /// A search cannot be answered.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// A position is none that a page ended with.
    #[error("the cursor is none of this list: begin without one")]
    BadPosition,
    /// Changes behind a position are not kept any more.
    #[error(
        "changes after this cursor are no longer kept: the oldest cursor is {oldest}; list the pins anew and go on from there"
    )]
    EventsGone {
        /// The oldest position from which nothing is missed.
        oldest: EventPosition,
    },
    /// The peer takes no writes by configuration.
    #[error("this peer is configured to be in follower mode. Write operations are disabled")]
    FollowerMode,
    /// Not built yet.
    #[error("{what} is not supported by this version")]
    Unsupported {
        /// What was asked for.
        what: &'static str,
    },
    /// The peer is stopping.
    #[error("the peer is stopping")]
    Stopping,
}

impl ApiError {
    /// Classifies the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Submit(e) => e.kind(),
            Self::Store(e) => e.kind(),
            Self::Ipfs(e) => e.kind(),
            Self::Membership(e) => e.kind(),
            Self::Barrier(e) => e.kind(),
            Self::Call(_) | Self::Connect(_) | Self::NotReady => ErrorKind::Unavailable,
            Self::CannotRemovePeers | Self::Forgotten { .. } => ErrorKind::Internal,
            Self::ForgetSelf => ErrorKind::Invalid,
            Self::Search(SearchError::Store(e)) => e.kind(),
            Self::Search(SearchError::NotReady { .. }) => ErrorKind::Busy,
            Self::BadPosition => ErrorKind::Invalid,
            Self::EventsGone { .. } => ErrorKind::Gone,
            Self::NotPinned => ErrorKind::NotFound,
            Self::FollowerMode => ErrorKind::Forbidden,
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::Stopping => ErrorKind::Unavailable,
        }
    }
}

/// The use cases around the members of the cluster and their health.
pub trait MembershipApi: Send + Sync + 'static {
    /// Describes this peer; asks the IPFS daemon live.
    fn id(&self) -> BoxFuture<'_, PeerInfo>;

    /// Describes every member; one that does not answer within 15 s has an error. In the order of their answers.
    fn peers(&self) -> BoxStream<'static, Result<PeerInfo, ApiError>>;

    /// Takes in a peer: remembers its addresses, connects, trusts it again if it was forgotten, and asks who it is.
    fn add_peer(&self, peer: PeerId, addresses: Vec<Multiaddr>) -> BoxFuture<'_, Result<PeerInfo, ApiError>>;

    /// Removes a peer: with `forget` it is no longer trusted, its connections are closed and refused, its addresses
    /// and metrics dropped and its pins placed elsewhere; durable until it is added again. Without, what the
    /// consensus says about removals.
    fn remove_peer(&self, peer: PeerId, forget: bool) -> BoxFuture<'_, Result<(), ApiError>>;

    /// Draws who is connected to whom.
    fn connect_graph(&self) -> BoxFuture<'_, Result<ConnectGraph, ApiError>>;

    /// Says how the Merkle-CRDT stands on this peer.
    fn crdt_health(&self) -> BoxFuture<'_, Result<CrdtHealth, ApiError>>;

    /// Says how Raft stands on this peer.
    ///
    /// # Errors
    /// [`ApiError::Unsupported`] with another consensus.
    fn raft_health(&self) -> Result<RaftHealth, ApiError>;

    /// Lets a member vote, or not.
    fn set_voter(&self, peer: PeerId, votes: bool) -> BoxFuture<'_, Result<(), ApiError>>;

    /// Returns the traffic of the swarm since the start by protocol.
    fn traffic(&self) -> Vec<(String, Traffic)>;

    /// Lists alerts, newest first.
    fn alerts(&self) -> Vec<Alert>;

    /// Lists the names of all metrics seen, sorted.
    fn metric_names(&self) -> Vec<String>;

    /// Returns the last metric of each peer that counts now, sorted by binary peer ID.
    fn metrics(&self, name: &str) -> Vec<Metric>;

    /// Collects garbage on the IPFS daemons, one after another; a member's failure is part of its outcome. Sorted by
    /// textual peer ID.
    fn collect_garbage(&self, scope: Scope) -> BoxFuture<'_, Result<Vec<RepoGc>, ApiError>>;
}

/// The use cases of a peer. Streams yield pages of at most a few thousand items, in key order, and hold no more
/// than a page in memory.
///
/// # Cancel safety
/// Dropping a future or a stream abandons the answer, not the change.
pub trait ClusterApi: MembershipApi + BrowseApi {
    /// Says whether the pinset of this peer is fit to be read.
    fn is_readable(&self) -> bool;

    /// Waits until a read sees every change that was acknowledged anywhere before.
    fn read_barrier(&self) -> BoxFuture<'_, Result<(), ApiError>>;

    /// Pins a CID.
    fn pin(&self, wish: PinWish) -> BoxFuture<'_, Result<(Pin, Etag), ApiError>>;

    /// Removes a pin and returns it as it was.
    fn unpin(
        &self,
        key: PinKey,
        precondition: Precondition,
        request_id: Option<RequestId>,
    ) -> BoxFuture<'_, Result<Pin, ApiError>>;

    /// Resolves a path to the CID to pin or unpin.
    fn resolve(&self, path: IpfsPath) -> BoxFuture<'_, Result<Cid, ApiError>>;

    /// Reads one entry of the pinset.
    fn allocation(&self, key: PinKey) -> BoxFuture<'_, Result<(Pin, Etag), ApiError>>;

    /// Streams the pinset.
    fn allocations(&self, filter: PinKindFilter) -> BoxStream<'static, Result<Vec<Pin>, ApiError>>;

    /// Asks for the status of one CID; one outside the pinset is `unpinned`, not an error.
    fn status(&self, key: PinKey, scope: Scope) -> BoxFuture<'_, Result<GlobalPinStatus, ApiError>>;

    /// Streams the status of every pin that passes the filter.
    fn status_all(
        &self,
        filter: StatusFilter,
        scope: Scope,
    ) -> BoxStream<'static, Result<Vec<GlobalPinStatus>, ApiError>>;

    /// Retries one CID where its last attempt failed, and returns its status.
    fn recover(&self, key: PinKey, scope: Scope) -> BoxFuture<'_, Result<GlobalPinStatus, ApiError>>;

    /// Retries every failed CID; streams those that were queued again.
    fn recover_all(&self, scope: Scope) -> BoxStream<'static, Result<Vec<GlobalPinStatus>, ApiError>>;
}
