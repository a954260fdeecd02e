//! Peers that agree by Raft, killed with `kill -9` and parted by network namespaces while clients work: what clients were told
//! is checked to be linearizable pin by pin, new leaders must be there in time, and at the end all peers hold the same bytes.

mod change;
mod client;
mod cluster;
mod doors;
mod election;
mod nemesis;
mod program;
mod schedule;
mod storm;
mod summary;
mod verdict;

pub use program::main;
pub use storm::{StormOptions, storm};
pub use summary::StormSummary;
