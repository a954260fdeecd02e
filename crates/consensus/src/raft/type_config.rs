//! Which types openraft works with.

use super::NodeId;
use std::sync::Arc;

/// A proposal as bytes: written once by whoever submits, and read only where it is carried out.
#[derive(Clone, PartialEq, Eq)]
pub struct ProposalBytes(pub Arc<[u8]>);

impl std::fmt::Debug for ProposalBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Display for ProposalBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// openraft answers nothing: each peer learns the outcome of what it proposed from its own pinset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CarriedOut;

impl std::fmt::Display for CarriedOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("carried out")
    }
}

/// What runs openraft's tasks and timers.
#[cfg(not(feature = "simulation"))]
pub(super) type TaskRuntime = openraft::TokioRuntime;
/// What runs openraft's tasks and timers, or lets the simulator do so.
#[cfg(feature = "simulation")]
pub(super) type TaskRuntime = super::simulated_runtime::SimulatedRuntime;

openraft::declare_raft_types!(
    /// The types of this suite's Raft. One leader a term, as in the paper, so that an entry needs the term alone.
    pub TypeConfig:
        D = ProposalBytes,
        R = CarriedOut,
        NodeId = NodeId,
        Node = openraft::impls::EmptyNode,
        Term = u64,
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, NodeId>,
        AsyncRuntime = TaskRuntime,
);

pub(super) use openraft::type_config::alias;

/// Where an entry stands.
pub(super) type LogId = alias::LogIdOf<TypeConfig>;
/// An entry.
pub(super) type Entry = alias::EntryOf<TypeConfig>;
/// A vote, or a leader that a quorum voted for.
pub(super) type Vote = alias::VoteOf<TypeConfig>;
