//! Backends of the `Consensus` port: how peers agree on the pinset.
//!
//! * [`crdt`]: the Merkle-CRDT, wire-compatible with Go IPFS Cluster 1.1.6.
//! * [`raft`]: a log that a quorum holds.
//! * [`quorum_fake`]: an in-memory stand-in for a backend that needs a quorum, for tests.
//! * [`conformance`]: what every backend has to keep, run against each of them.

pub mod conformance;
pub mod crdt;
mod crdt_consensus;
mod crdt_inbox;
mod crdt_worker;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod quorum_fake;
pub mod raft;
mod raft_consensus;
mod raft_ports;
mod stored_blocks;

pub use crdt_consensus::CrdtConsensus;
pub use crdt_inbox::{CrdtInbox, CrdtMessages};
pub use crdt_worker::{CrdtParts, CrdtWorker};
pub use raft_consensus::RaftConsensus;
pub use stored_blocks::StoredBlocks;
