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

pub use cluster_core::mutate::Mutation;
pub use summary::Summary;

pub(crate) use chance::Chance;

use crate::simulation::Simulation;
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

/// `cargo simulate`.
pub const SIMULATION: Simulation<Summary> = Simulation {
    command: "simulate",
    about: "Plays a cluster of 5 to 7 replicas in virtual time, with message loss, partitions, power failures and failing disks, and \
            compares what every replica holds with an independent oracle",
    seeds: 10_000,
    defects: Mutation::ALL,
    play: run,
};
