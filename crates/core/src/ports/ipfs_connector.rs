//! The port of the IPFS daemon that holds the content (api §10.1).

use super::{BoxFuture, BoxStream};
use crate::{ErrorKind, PinDepth};
use cid::Cid;
use libp2p_identity::PeerId;
use multiaddr::Multiaddr;
use std::{sync::Arc, time::Duration};

/// Identity of an IPFS daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpfsId {
    /// Its peer ID.
    pub id: PeerId,
    /// Its addresses, each ending in `/p2p/<id>`; unreadable ones are left out.
    pub addresses: Vec<Multiaddr>,
}

/// How a CID is pinned on the daemon (api §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpfsPinStatus {
    /// Not pinned at all, or only below another pin.
    Unpinned,
    /// The root block alone.
    Direct,
    /// The whole graph.
    Recursive,
}

impl IpfsPinStatus {
    /// Says whether this satisfies a wish for `depth`.
    pub fn satisfies(self, depth: PinDepth) -> bool {
        match self {
            Self::Unpinned => false,
            Self::Direct => depth == PinDepth::DIRECT,
            Self::Recursive => depth != PinDepth::DIRECT,
        }
    }
}

/// One entry of the daemon's list of pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpfsPin {
    /// What is pinned.
    pub cid: Cid,
    /// How.
    pub status: IpfsPinStatus,
}

/// Space of the daemon's repository, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepoStat {
    /// Used.
    pub repo_size: u64,
    /// Allowed.
    pub storage_max: u64,
}

/// How far a running pin got; both numbers only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PinProgress {
    /// Blocks fetched.
    pub blocks: u64,
    /// Bytes fetched; `None` before Kubo 0.40.
    pub bytes: Option<u64>,
}

/// Receives the progress of a running pin. Must not block.
pub type ProgressSink = Arc<dyn Fn(PinProgress) + Send + Sync>;

/// What to pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinRequest {
    /// The root.
    pub cid: Cid,
    /// How deep.
    pub depth: PinDepth,
    /// Where the content is known to be.
    pub origins: Vec<Multiaddr>,
    /// A CID whose content is mostly the same: when it is pinned recursively, the daemon starts from it.
    pub update_from: Option<Cid>,
}

/// A block of content on its way to a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentBlock {
    /// Its CID.
    pub cid: Cid,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// What garbage collection says of one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GcItem {
    /// It was removed.
    Removed(Cid),
    /// Something went wrong with one.
    Error(String),
}

/// Failure of a call to the daemon. The texts surface in pin statuses and match the reference's.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IpfsError {
    /// The daemon answered with an error of its own.
    #[error("IPFS error ({path}). Code: {status}. Message: {message}")]
    Api {
        /// RPC path below `/api/v0/`.
        path: String,
        /// HTTP status.
        status: u16,
        /// The daemon's message.
        message: String,
    },
    /// The answer is not one a daemon gives.
    #[error("IPFS request failed (is it running?) ({path}). Code {status}: {body}")]
    Http {
        /// RPC path below `/api/v0/`.
        path: String,
        /// HTTP status.
        status: u16,
        /// Start of the body.
        body: String,
    },
    /// The daemon could not be reached, or the connection broke.
    #[error("cannot reach the IPFS daemon at {node} ({path}): {cause}")]
    Unreachable {
        /// Where.
        node: String,
        /// RPC path below `/api/v0/`.
        path: String,
        /// What the transport said.
        cause: String,
    },
    /// The daemon did not answer in time.
    #[error("the IPFS daemon at {node} did not answer {path} within {}s", after.as_secs_f32())]
    Timeout {
        /// Where.
        node: String,
        /// RPC path below `/api/v0/`.
        path: String,
        /// Time waited.
        after: Duration,
    },
    /// A pin made no progress for too long.
    #[error("the IPFS daemon at {node} made no progress with {path} for {}s", after.as_secs_f32())]
    Stalled {
        /// Where.
        node: String,
        /// RPC path below `/api/v0/`.
        path: String,
        /// Time without progress.
        after: Duration,
    },
    /// The answer ended early or is not what the call promises.
    #[error("the answer of the IPFS daemon at {node} to {path} cannot be used: {cause}")]
    BadAnswer {
        /// Where.
        node: String,
        /// RPC path below `/api/v0/`.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A stream of blocks had none.
    #[error("no blocks")]
    NoBlocks,
    /// The daemon knows a codec or hash by its name, and this one has none here.
    #[error("blocks with {what} {code:#x} cannot be stored: the IPFS daemon knows it by a name only")]
    Nameless {
        /// Codec or hash.
        what: &'static str,
        /// Its number in the table of multicodecs.
        code: u64,
    },
    /// Unpinning is switched off.
    #[error("ipfs unpinning is disallowed by configuration on this peer")]
    UnpinDisabled,
}

impl IpfsError {
    /// Classifies the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Api { .. } | Self::BadAnswer { .. } => ErrorKind::Internal,
            Self::Http { .. } | Self::Unreachable { .. } => ErrorKind::Unavailable,
            Self::Timeout { .. } | Self::Stalled { .. } => ErrorKind::Timeout,
            Self::NoBlocks | Self::Nameless { .. } => ErrorKind::Invalid,
            Self::UnpinDisabled => ErrorKind::Forbidden,
        }
    }
}

/// The IPFS daemon of this peer.
///
/// # Contract
/// * Every call has a deadline of its own; a slow or dead daemon delays nobody but the caller.
/// * Connections are bounded; a call may wait for one, within its deadline.
/// * **Idempotence.** Pinning what is pinned and unpinning what is not succeed.
/// * **Cancel safety.** Dropping a future ends the request; the daemon may or may not have carried it out.
pub trait IpfsConnector: Send + Sync + 'static {
    /// Asks for the daemon's identity; also the test whether it is there.
    fn id(&self) -> BoxFuture<'_, Result<IpfsId, IpfsError>>;

    /// Pins, reporting progress, until done or stalled. One call to the daemon, but for updates of another pin.
    fn pin(&self, request: PinRequest, progress: ProgressSink) -> BoxFuture<'_, Result<(), IpfsError>>;

    /// Unpins; what is not pinned counts as done.
    fn unpin(&self, cid: Cid) -> BoxFuture<'_, Result<(), IpfsError>>;

    /// Asks how one CID is pinned, for a wish of `depth` (one `pin/ls` of one type).
    fn pin_status(&self, cid: Cid, depth: PinDepth) -> BoxFuture<'_, Result<IpfsPinStatus, IpfsError>>;

    /// Streams the daemon's pins of one kind (recursive or direct).
    fn pin_ls(&self, kind: IpfsPinStatus) -> BoxStream<'_, Result<IpfsPin, IpfsError>>;

    /// Resolves an IPFS path (`/ipfs/…`, `/ipns/…`, `/ipld/…`) to the CID it ends at.
    fn resolve(&self, path: String) -> BoxFuture<'_, Result<Cid, IpfsError>>;

    /// Connects the daemon to another one; the address ends in `/p2p/<id>`.
    fn swarm_connect(&self, address: Multiaddr) -> BoxFuture<'_, Result<(), IpfsError>>;

    /// Lists the peers the daemon is connected to.
    fn swarm_peers(&self) -> BoxFuture<'_, Result<Vec<PeerId>, IpfsError>>;

    /// Collects garbage; streams what was removed.
    fn collect_garbage(&self) -> BoxStream<'_, Result<GcItem, IpfsError>>;

    /// Stores blocks without pinning them, taking each from the stream when the daemon has room for it. They are stored
    /// with the codec, hash and length of the first one's CID; that each has the hash of its CID is checked. There is no
    /// limit on the whole, only on how long the daemon may not move.
    fn put_blocks(&self, blocks: BoxStream<'static, ContentBlock>) -> BoxFuture<'_, Result<(), IpfsError>>;

    /// Asks for the space of the repository.
    fn repo_stat(&self) -> BoxFuture<'_, Result<RepoStat, IpfsError>>;

    /// Reads one value of the daemon's configuration by its dotted name (`Datastore.StorageMax`), as JSON text;
    /// `None` when there is no such key.
    fn config_value(&self, name: String) -> BoxFuture<'_, Result<Option<String>, IpfsError>>;
}
