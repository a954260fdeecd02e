//! A cluster of replicas in virtual time: the production machines over stores that lose what was not flushed.
//!
//! One number decides everything: the faults, the operations, every delay and every loss. A replica is the
//! pinset's writer with the Merkle-CRDT's books, the engine and the tracker over a
//! [`MemoryStore`](cluster_datastore::MemoryStore); only the network, the IPFS daemon, the clock and the clients
//! are made up. After a time of faults everything heals, and when all is quiet the [`oracle`](self) compares what
//! every replica holds with what it worked out itself from the operations and the blocks.

mod chance;
mod client;
mod faults;
mod ipfs;
mod oracle;
mod queue;
mod replica;
mod runner;
mod summary;
mod verdict;
mod world;

pub use cluster_core::mutate::Mutation;
pub use runner::{FailedSeed, run_many, try_seed};
pub use summary::Summary;

use anyhow::Result;
use world::World;

/// Whether to print every event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// Print nothing.
    Off,
    /// Print what happens, with its time, to standard error.
    On,
}

/// Plays one seed to its end.
///
/// # Errors
/// What the oracle or a recount objects to, with the time and the replica. The same seed gives the same error.
pub fn run(seed: u64, trace: Trace) -> Result<Summary> {
    World::new(seed, trace)?.play()
}

/// Selects one defect of the production code for the whole process, or none.
#[cfg(cluster_mutations)]
pub fn select(mutation: Option<Mutation>) {
    cluster_core::mutate::select(mutation);
}
