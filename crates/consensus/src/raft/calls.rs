//! What Raft needs of the network.

use cluster_core::{PeerId, ports::BoxFuture};

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
}

/// Calls other members.
///
/// # Contract
/// * **Order.** Calls of one peer arrive in the order in which their futures were first polled; they may be answered in
///   another one.
/// * **Loss.** [`RaftCallError::NotSent`] only when it is certain; a request is never delivered twice.
/// * **Identity.** The answer is the named peer's, and the callee knows whose request it is.
/// * **Bounds.** A request and an answer have at most [`MAX_MESSAGE`](super::MAX_MESSAGE) bytes.
/// * **Cancel safety.** Dropping the future does not take back the request.
pub trait RaftCalls: Send + Sync + 'static {
    /// Sends a request and waits for its answer.
    fn call(&self, peer: PeerId, request: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, RaftCallError>>;
}
