//! The port of a consensus backend: how a change of the pinset is agreed on.

mod raft_health;
mod strong;

pub use raft_health::{RaftHealth, RaftMember, RaftRole, RaftState};
pub use strong::{BarrierError, MembershipError};

use super::BoxFuture;
use crate::{ErrorKind, Pin, PinKey, ports::datastore::StoreError};
use cid::Cid;
use libp2p_identity::PeerId;
use std::time::Duration;

/// What shall change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationKind {
    /// Add or replace a pin. Allocations preset in the pin are kept as they are.
    Pin(Box<Pin>),
    /// Pin `pin.cid` with options and allocations of the existing pin `from`; of `pin` only name and expiry
    /// count (api §10.2).
    PinUpdate {
        /// The new pin.
        pin: Box<Pin>,
        /// The pin it is made from.
        from: Cid,
    },
    /// Remove a pin.
    Unpin(PinKey),
}

/// What must hold when the operation is applied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// The pin exists and has this tag.
    IfMatch(Etag),
    /// The pin does not exist.
    IfAbsent,
}

/// A tag of one value of a pin, equal on all peers: the first 16 bytes of the SHA-256 of the winning value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Etag(pub [u8; 16]);

impl Etag {
    /// Makes the tag of a stored value.
    pub fn of(value: &[u8]) -> Self {
        let digest = <sha2::Sha256 as sha2::Digest>::digest(value);
        let mut tag = [0; 16];
        tag.copy_from_slice(&digest[..16]);
        Self(tag)
    }
}

impl std::fmt::Display for Etag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// A caller's idempotency key: 1 to 255 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(Box<str>);

impl RequestId {
    /// Longest key accepted, in bytes.
    pub const MAX_LEN: usize = 255;

    /// Takes a key; `None` when it is empty or too long.
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty() && text.len() <= Self::MAX_LEN).then(|| Self(text.into()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One change, with all that its evaluation at the serialisation point needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What shall change.
    pub kind: OperationKind,
    /// What must hold.
    pub precondition: Precondition,
    /// Makes a repeated submission apply once.
    pub request_id: Option<RequestId>,
    /// How long the pin shall live, when that was asked rather than until when: its `expire_at` was computed then, and
    /// a repetition has another one.
    pub expires_in: Option<Duration>,
    /// Peers that could hold the pin, best first; the choice among them is made where the operation is applied.
    pub ranked_candidates: Vec<PeerId>,
}

impl Operation {
    /// Makes an operation without precondition, request id or candidates.
    pub fn new(kind: OperationKind) -> Self {
        Self {
            kind,
            precondition: Precondition::None,
            request_id: None,
            expires_in: None,
            ranked_candidates: Vec::new(),
        }
    }
}

/// Where an applied change is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppliedOn {
    /// On this peer's disk.
    Local,
    /// On the disks of a quorum.
    Quorum,
}

/// The outcome of an accepted operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// For an add the pin as stored, for a removal the pin as it was.
    pub pin: Pin,
    /// Tag of that pin's value.
    pub etag: Etag,
    /// Where it is safe.
    pub durability: AppliedOn,
    /// True when a request id made this a repetition of an earlier submission.
    pub repeated: bool,
}

/// A rule of the pinset that refused an operation. The texts are those that clients match on (api §10.2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The pin named does not exist.
    #[error("pin is not part of the pinset")]
    NotPinned,
    /// Another type is stored under the CID.
    #[error(
        "cannot repin CID with different tracking method, clear state with pin rm to proceed. New: {new}. Was: {was}"
    )]
    DifferentKind {
        /// Type asked for.
        new: &'static str,
        /// Type stored.
        was: &'static str,
    },
    /// A recursive pin exists and a direct one is asked for.
    #[error(
        "cannot repin a CID which is already pinned in recursive mode (new pin is pinned as {new}). Unpin it first."
    )]
    AlreadyRecursive {
        /// Mode asked for.
        new: &'static str,
    },
    /// Type, depth and reference do not go together.
    #[error("{0}")]
    Inconsistent(&'static str),
    /// The factors are no valid pair.
    #[error(transparent)]
    Replication(#[from] crate::pin::ReplicationError),
    /// The expiry lies in the past.
    #[error("pin.ExpireAt set before current time")]
    AlreadyExpired,
    /// The source of a pin update is no data pin.
    #[error("this pin type cannot be updated")]
    NotUpdatable,
    /// A shard cannot be removed by itself.
    #[error("cannot unpin a shard directly. Unpin content root CID instead")]
    UnpinShard,
    /// A cluster DAG cannot be removed by itself.
    #[error("cannot unpin a Cluster DAG directly. Unpin content root CID instead")]
    UnpinClusterDag,
    /// Too few peers can hold the pin.
    #[error(
        "not enough peers to allocate CID. Needed at least: {needed}. Wanted at most: {wanted}. Available candidates: {available}. See logs for more info."
    )]
    NotEnoughPeers {
        /// How many more are needed.
        needed: usize,
        /// How many more are wanted.
        wanted: usize,
        /// How many there are.
        available: usize,
    },
    /// The precondition does not hold.
    #[error("the pin is not the one expected: it has changed or does not exist")]
    PreconditionFailed,
    /// The request id was used before for another request.
    #[error("this idempotency key was used before for another request: use a new one")]
    RequestMismatch,
    /// The pin is larger than a delta may be.
    #[error(
        "the pin takes {size} bytes, but at most {limit} are possible: shorten name, metadata or origins"
    )]
    TooLarge {
        /// Bytes needed.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

impl Rejection {
    /// Classifies the rejection. The reference answers 404 to a missing pin and 500 to every other rule.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotPinned => ErrorKind::NotFound,
            Self::PreconditionFailed => ErrorKind::Conflict,
            Self::RequestMismatch => ErrorKind::Mismatch,
            Self::TooLarge { .. } => ErrorKind::Invalid,
            Self::DifferentKind { .. }
            | Self::AlreadyRecursive { .. }
            | Self::Inconsistent(_)
            | Self::Replication(_)
            | Self::AlreadyExpired
            | Self::NotUpdatable
            | Self::UnpinShard
            | Self::UnpinClusterDag
            | Self::NotEnoughPeers { .. } => ErrorKind::Internal,
        }
    }
}

/// Why an operation was not applied, or may not have been.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubmitError {
    /// A rule said no; nothing changed.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The peer takes no writes for the moment; nothing changed.
    #[error("{cause}")]
    Busy {
        /// Why, with the remedy.
        cause: String,
    },
    /// Nobody knows: the change may have happened. Submit again with the same request id, or read the pin.
    #[error(
        "the outcome is not known ({cause}): the change may have been made; read the pin, or repeat the request"
    )]
    Unknown {
        /// What broke.
        cause: String,
    },
    /// The peer is stopping; nothing changed.
    #[error("the peer is stopping")]
    Stopping,
}

impl SubmitError {
    /// Classifies the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Rejected(rejection) => rejection.kind(),
            Self::Busy { .. } => ErrorKind::Busy,
            Self::Unknown { .. } => ErrorKind::Unknown,
            Self::Stopping => ErrorKind::Unavailable,
        }
    }

    /// Maps a failed commit: refused before it was tried, or tried with unknown outcome.
    pub fn from_store(error: &StoreError) -> Self {
        match error {
            StoreError::ReadOnly { .. } | StoreError::Busy => Self::Busy { cause: error.to_string() },
            StoreError::Closed => Self::Stopping,
            StoreError::DiskFull { .. }
            | StoreError::Damaged { .. }
            | StoreError::DamagedRaft { .. }
            | StoreError::NewerFormat { .. }
            | StoreError::Locked { .. }
            | StoreError::Io { .. } => Self::Unknown { cause: error.to_string() },
        }
    }
}

/// How a Merkle-CRDT stands on one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrdtHealth {
    /// Its heads, sorted.
    pub heads: Vec<Cid>,
    /// The greatest height of a head: blocks on the longest way to a root.
    pub height: u64,
    /// Blocks merged.
    pub merged: u64,
    /// Blocks known of that are not here yet. What is below them is not known.
    pub missing: u64,
    /// Walks that are open: as long as there are any, something below a head is missing ("dirty").
    pub walks: u64,
    /// Elements that are not tombstoned.
    pub elements: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// Operations accepted here that no delta carries yet.
    pub pending: u64,
    /// A digest of the elements and tombstones: equal on peers of this suite that hold the same.
    pub fingerprint: [u8; 16],
}

/// A consensus backend.
///
/// # Contract
/// * **Durability.** `submit` returns `Ok` only when the change is durable: on this peer's disk
///   ([`AppliedOn::Local`]) or on a quorum's ([`AppliedOn::Quorum`]).
/// * **Visibility.** An `Ok` is visible to every later read of this peer.
/// * **Evaluation.** Preconditions, candidates and the request id are evaluated where operations are put in
///   order, by the pinset's `plan`, and nowhere else.
/// * **Idempotence.** Two submissions with one request id and equal content apply once; the second gets the
///   first one's outcome with `repeated` set. Another content is [`Rejection::RequestMismatch`].
/// * **Unknown** is an answer: after it the change is either fully made or not at all.
/// * **Cancel safety.** Dropping the future does not undo a submission.
pub trait Consensus: Send + Sync + 'static {
    /// Returns the name the configuration uses: `crdt` or `raft`.
    fn name(&self) -> &'static str;

    /// Submits a change and waits until it is applied and durable.
    fn submit(&self, operation: Operation) -> BoxFuture<'_, Result<Applied, SubmitError>>;

    /// Returns the members of the cluster, this peer included, sorted by binary peer ID.
    fn members(&self) -> Vec<PeerId>;

    /// Says whether a peer may change the pinset and use trusted methods.
    fn is_trusted(&self, peer: &PeerId) -> bool;

    /// Tells of these pins once more, for peers of the Go suite that have them wrong: links anew to what brought each, which
    /// they may take for known, and repeats what was removed of it, which makes them look at it again. Returns of how many
    /// blocks and removals it told; the others come with another call.
    fn retell(&self, pins: Vec<PinKey>) -> BoxFuture<'_, Result<usize, StoreError>>;

    /// Says how the Merkle-CRDT stands; `None` when the backend is none.
    fn crdt_health(&self) -> BoxFuture<'_, Result<Option<CrdtHealth>, StoreError>>;

    /// Waits until a read of this peer's own store sees every change that any peer acknowledged before this call: a read
    /// after it is linearizable. Costs a round to a quorum, which concurrent calls share.
    ///
    /// # Errors
    /// As [`BarrierError`] says; nothing is known then about how old a read is.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    fn read_barrier(&self) -> BoxFuture<'_, Result<(), BarrierError>>;

    /// Says how Raft stands, out of memory; `None` when the backend is another.
    fn raft_health(&self) -> Option<RaftHealth>;
}
