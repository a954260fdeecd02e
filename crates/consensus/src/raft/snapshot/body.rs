//! What a snapshot consists of, wherever it is.

use super::{super::cluster_id::ClusterId, chunk_source::ChunkSource, spool::HeldSpool};
use cluster_core::UnixMillis;

/// What is not in the snapshot's meta data: Raft's clock, the cluster, and the chunks, to be read out of a view of this peer's store or
/// written to it by another peer.
#[derive(Debug)]
pub struct SnapshotBody {
    pub(in super::super) clock: UnixMillis,
    pub(in super::super) cluster: Option<ClusterId>,
    pub(in super::super) chunks: Chunks,
}

/// Where the chunks are.
#[derive(Debug)]
pub(in super::super) enum Chunks {
    /// In the store, as rows of the pinset.
    View(ChunkSource),
    /// In the spool, all of them. Holding it keeps the next snapshot out.
    Spooled(HeldSpool),
}
