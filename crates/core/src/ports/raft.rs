//! The ports between Raft and the swarm: requests to other members, and answers to theirs.

use super::BoxFuture;
use libp2p_identity::PeerId;

/// Bytes of a request or an answer at most: as many entries as are sent at once, the last of which may be a large one, or
/// a part of a snapshot.
pub const MAX_RAFT_MESSAGE: usize = 4 * 1024 * 1024;

/// What a request is about. Each kind goes its own way to a peer, so that none waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RaftLane {
    /// Signs of life and votes: small, and late ones cost the leadership.
    Control,
    /// Entries, proposals, and what must not overtake them.
    Log,
    /// A snapshot: large, and nobody waits for it.
    Snapshot,
}

impl RaftLane {
    /// Every lane.
    pub const ALL: [Self; 3] = [Self::Control, Self::Log, Self::Snapshot];
}

/// Why a peer answers no requests of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RaftRefusal {
    /// It is no member of its cluster, and not one that adds it to another.
    #[error("this peer is not a member of its cluster")]
    NotMember,
}

/// Why a call brought no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RaftCallError {
    /// The request did not leave this peer.
    #[error("the peer cannot be reached: {cause}")]
    NotSent {
        /// Why.
        cause: String,
    },
    /// Nobody knows what became of the request.
    #[error("the peer did not answer: {cause}")]
    NotAnswered {
        /// What broke.
        cause: String,
    },
    /// The peer did not look at the request.
    #[error("the peer refused the request: {0}")]
    Refused(RaftRefusal),
}

/// Calls other members.
///
/// # Contract
/// * **Order.** Calls of one peer in one lane arrive in the order in which their futures were first polled; they may be
///   answered in another one. Lanes do not wait for each other.
/// * **Loss.** [`RaftCallError::NotSent`] only when it is certain; a request is never delivered twice.
/// * **Identity.** The answer is the named peer's, and the callee knows whose request it is.
/// * **Bounds.** A request and an answer have at most [`MAX_RAFT_MESSAGE`] bytes. Requests that a peer does not take wait
///   here, up to a limit; what comes above it is not sent.
/// * **Cancel safety.** Dropping the future takes a request back that has not begun to leave, and no other.
pub trait RaftCalls: Send + Sync + 'static {
    /// Sends a request and waits, without limit, for its answer.
    fn call(
        &self,
        peer: PeerId,
        lane: RaftLane,
        request: Vec<u8>,
    ) -> BoxFuture<'_, Result<Vec<u8>, RaftCallError>>;
}

/// Answers requests of other members.
///
/// # Contract
/// * Requests of one peer in one lane are handed over, and their futures polled for the first time, in the order in which
///   they were sent; they are answered at the same time.
/// * An answer has at most [`MAX_RAFT_MESSAGE`] bytes.
/// * **Cancel safety.** Futures whose caller is gone are dropped; the request may have been carried out by then, or not.
pub trait RaftAnswers: Send + Sync + 'static {
    /// Says whether requests of a peer are answered; asked before each of them, with nothing read of it. Must not block.
    ///
    /// A member that was away knows old members only, and has to hear the new ones; a peer that joins knows none at all.
    ///
    /// # Errors
    /// Why they are not; the peer is told so.
    fn admit(&self, from: &PeerId) -> Result<(), RaftRefusal>;

    /// Answers a request of a peer that was admitted.
    fn answer(&self, from: PeerId, request: Vec<u8>) -> BoxFuture<'_, Vec<u8>>;
}
