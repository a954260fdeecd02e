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
mod summary;
mod verdict;
mod world;

pub use crate::seeds::FailedSeed;
pub use cluster_core::mutate::Mutation;
pub use summary::Summary;

pub(crate) use chance::Chance;

use anyhow::Result;
use std::ops::Range;
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

/// Plays seeds on all cores until the first failure; `progress` hears how many are done.
///
/// # Errors
/// The failure with the smallest seed among those that were under way.
pub fn run_many(
    seeds: Range<u64>,
    progress: impl Fn(u64) + Sync,
) -> std::result::Result<Summary, FailedSeed> {
    crate::seeds::run_many(seeds, |seed| run(seed, Trace::Off), progress)
}
