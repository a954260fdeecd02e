//! Raft: a log that a quorum holds, carried out by every peer through its pinset's one writer
//! (`docs/adr/0008-raft-stands-on-the-datastore-and-the-one-writer.md`).
//!
//! * [`RaftLogStore`] and [`RaftStateMachine`]: what openraft stores, over the datastore port and the writer.
//! * [`Proposal`]: what an entry carries.
//! * [`RaftNode`]: a running member; [`RaftCalls`](cluster_core::ports::RaftCalls) is what it needs of the network.

mod apply_group;
mod backend;
mod caller;
mod chance;
mod clocks;
mod cluster_id;
mod codec;
mod config;
mod entry_row;
mod founding;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod log_check;
mod log_store;
mod log_tail;
mod log_worker;
mod member_change;
mod messages;
mod network;
mod node;
mod node_id;
#[cfg(feature = "simulation")]
mod on_disk;
mod pipeline;
mod position;
mod proposal;
mod readiness;
mod recovery;
mod removed;
mod rows;
mod runs;
#[cfg(feature = "simulation")]
mod simulated_runtime;
mod snapshot;
mod soundness;
mod state_machine;
#[cfg(test)]
mod tests;
mod trailer;
mod type_config;
mod waiters;

pub use backend::{RaftBackend, RaftInput};
pub use cluster_id::{ClusterId, Identity};
pub use config::RaftConfig;
pub use founding::found;
pub use log_store::{OpenLogError, RaftLogStore};
pub use node::{RaftNode, RaftParts, StartRaftError};
pub use node_id::NodeId;
#[cfg(feature = "simulation")]
pub use on_disk::OnDisk;
pub use position::LogPosition;
pub use proposal::{MAX_PROPOSAL, Proposal, ProposalError};
pub use readiness::Readiness;
pub use recovery::{RecoverError, Recovered, recover_from_lost_majority};
pub use rows::{AppliedRow, MembershipRow};
pub use snapshot::{Chunk, ChunkError, ChunkName, Digest, MAX_CHUNK, Place, Section, SnapshotBody, Sum};
pub use state_machine::{MachineParts, RaftStateMachine, SnapshotBuilder, StateMachineError};
pub use type_config::{CarriedOut, ProposalBytes, TypeConfig};
pub use waiters::Waiters;
