//! Raft: a log that a quorum holds, carried out by every peer through its pinset's one writer
//! (`docs/adr/0008-raft-stands-on-the-datastore-and-the-one-writer.md`).
//!
//! * [`RaftLogStore`] and [`RaftStateMachine`]: what openraft stores, over the datastore port and the writer.
//! * [`Proposal`]: what an entry carries.
//! * [`RaftNode`]: a running member; [`RaftCalls`](cluster_core::ports::RaftCalls) is what it needs of the network.

mod apply_group;
mod backend;
mod codec;
mod config;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod log_store;
mod log_tail;
mod log_worker;
mod messages;
mod network;
mod node;
mod node_id;
mod position;
mod proposal;
mod rows;
mod snapshot;
mod state_machine;
#[cfg(test)]
mod tests;
mod type_config;
mod waiters;

pub use backend::{RaftBackend, RaftInput};
pub use config::RaftConfig;
pub use log_store::{OpenLogError, RaftLogStore};
pub use node::{RaftNode, RaftParts, StartRaftError};
pub use node_id::NodeId;
pub use position::LogPosition;
pub use proposal::{MAX_PROPOSAL, Proposal, ProposalError};
pub use rows::{AppliedRow, InstallingRow, MembershipRow};
pub use snapshot::{Chunk, ChunkError, Digest, MAX_CHUNK, Section, SnapshotBody};
pub use state_machine::{RaftStateMachine, SnapshotBuilder, StateMachineError};
pub use type_config::{CarriedOut, ProposalBytes, TypeConfig};
pub use waiters::Waiters;
