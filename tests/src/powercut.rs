//! Power cuts and `kill -9` for real peers, and for a toy store that shows that the cuts find what they should.

mod cluster_workload;
mod kills;
mod load;
mod peer;
mod program;
mod service_workload;
mod talk;
mod toy;
mod toy_workload;

pub use cluster_workload::ClusterWorkload;
pub use kills::{KillOptions, KillSummary, kill_often};
pub use peer::{Engine, PeerProgram, Variant};
pub use program::main;
pub use service_workload::ServiceWorkload;
pub use toy::Fault;
pub use toy_workload::ToyWorkload;
