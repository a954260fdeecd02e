//! The port of calls between peers (wire-protocol §5).

use super::{
    BoxFuture, BoxStream,
    cluster_api::{LocalPinStatus, PeerInfo, RepoGc},
    ipfs_connector::{ContentBlock, RepoStat},
};
use crate::{Pin, PinKey, StatusFilter};
use libp2p_identity::PeerId;
use std::{sync::Arc, time::Duration};

/// Why a call was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The peer does not allow us this call. Whoever asks many peers leaves it out (wire-protocol §5.5).
    #[error("the peer refuses {method}: it does not trust this peer")]
    Refused {
        /// Which call.
        method: &'static str,
    },
    /// No connection came about, or it broke.
    #[error("cannot reach the peer: {cause}")]
    Unreachable {
        /// What went wrong.
        cause: String,
    },
    /// No answer in time.
    #[error("context deadline exceeded: no answer to {method} within {}s", after.as_secs_f32())]
    Timeout {
        /// Which call.
        method: &'static str,
        /// Time waited.
        after: Duration,
    },
    /// The peer answered with an error.
    #[error("{message}")]
    Failed {
        /// Its text.
        message: String,
    },
    /// The answer is none, or larger than allowed.
    #[error("the answer to {method} cannot be used: {cause}")]
    BadAnswer {
        /// Which call.
        method: &'static str,
        /// What is wrong with it.
        cause: String,
    },
}

/// What one peer asks of another. The peer itself answers the same calls, so that whoever asks all members treats
/// this one like the others.
///
/// # Contract
/// * Every call of a remote peer has a deadline: 15 s for single answers; a stream fails when nothing comes for 30 s.
/// * Streams of peers of this suite are in key order; those of others are not.
/// * **Cancel safety.** Dropping a future or stream ends the call at the other side.
pub trait PeerCalls: Send + Sync + 'static {
    /// `Cluster.IDStream`: who are you?
    fn id(&self) -> BoxFuture<'_, Result<PeerInfo, CallError>>;

    /// `Cluster.PeerAdd`: take in `joiner`; answered with what the joiner says of itself.
    fn add_peer(&self, joiner: PeerId) -> BoxFuture<'_, Result<PeerInfo, CallError>>;

    /// `Consensus.AddPeer`: make `peer` a member. Where the consensus keeps no list of members (the Merkle-CRDT: who pings
    /// is one) there is nothing to do, and that succeeds.
    fn add_member(&self, peer: PeerId) -> BoxFuture<'_, Result<(), CallError>>;

    /// `Cluster.PeerRemove`, and `Consensus.RmPeer`: take `peer` out of the members. Where the consensus keeps no list of
    /// members this fails always.
    fn remove_member(&self, peer: PeerId) -> BoxFuture<'_, Result<(), CallError>>;

    /// `Cluster.Peers`: who are the members, as you see them?
    fn peers(&self) -> BoxStream<'static, Result<PeerInfo, CallError>>;

    /// `PinTracker.Status`: what is the status of one CID with you?
    fn status(&self, key: PinKey) -> BoxFuture<'_, Result<LocalPinStatus, CallError>>;

    /// `PinTracker.StatusAll`: what is the status of all CIDs that pass the filter?
    fn status_all(&self, filter: StatusFilter) -> BoxStream<'static, Result<Vec<LocalPinStatus>, CallError>>;

    /// Only between peers of this suite: the statuses of all CIDs that pass the filter and lie behind one, in key order.
    fn statuses_after(
        &self,
        filter: StatusFilter,
        after: PinKey,
    ) -> BoxStream<'static, Result<Vec<LocalPinStatus>, CallError>>;

    /// `PinTracker.Recover`, and `Cluster.RecoverLocal`: try one CID again.
    fn recover(&self, key: PinKey) -> BoxFuture<'_, Result<LocalPinStatus, CallError>>;

    /// `Cluster.RecoverAllLocal`: try all again that failed; those queued again are streamed.
    fn recover_all(&self) -> BoxStream<'static, Result<Vec<LocalPinStatus>, CallError>>;

    /// `Consensus.LogPin` (`Some`) and `Consensus.LogUnpin` (`None`): change the pinset in your name. Allocations
    /// that the pin has are kept.
    fn log(&self, key: PinKey, pin: Option<Box<Pin>>) -> BoxFuture<'_, Result<(), CallError>>;

    /// `IPFSConnector.SwarmPeers`: whom is your IPFS daemon connected to?
    fn ipfs_swarm_peers(&self) -> BoxFuture<'_, Result<Vec<PeerId>, CallError>>;

    /// `IPFSConnector.RepoStat`: how large is your IPFS daemon's repository?
    fn repo_stat(&self) -> BoxFuture<'_, Result<RepoStat, CallError>>;

    /// `IPFSConnector.BlockStream`: give these blocks to your IPFS daemon. No deadline but that something must move.
    fn put_blocks(&self, blocks: BoxStream<'static, ContentBlock>) -> BoxFuture<'_, Result<(), CallError>>;

    /// `Cluster.RepoGCLocal`: collect your IPFS daemon's garbage. No deadline but the daemon's.
    fn collect_garbage(&self) -> BoxFuture<'_, Result<RepoGc, CallError>>;

    /// Only between peers of this suite: here are the heads (wire-protocol §4.3) of `from`, what are yours? Whoever
    /// serves the call puts in for `from` the peer that it has authenticated.
    fn exchange_heads(&self, from: PeerId, payload: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, CallError>>;
}

/// Calls other peers.
pub trait Rpc: Send + Sync + 'static {
    /// Returns the calls to a peer; nothing is sent before one is made.
    fn peer(&self, peer: PeerId) -> Arc<dyn PeerCalls>;
}
