//! A cluster of Raft peers in virtual time: the production backend over stores that lose what was not flushed.
//!
//! One number decides everything: the faults, what clients ask for, every delay, every loss, and which of the tasks that could
//! go on does so next. A peer is the node, openraft, the log and the pinset's writer as the daemon runs them; only the network,
//! the disk, the clocks and the clients are made up. What clients were told is checked to be linearizable, pin by pin; what a
//! peer shows of its own store must never run back; and when all has healed, all members hold the same bytes.

mod checker;
mod client;
mod disk;
mod disks;
mod faults;
mod history;
mod journal;
mod members;
mod nemesis;
mod network;
mod peer;
mod shown;
mod summary;
mod verdict;
mod world;

pub use checker::{Asked, If, Name, Told, check};
pub use history::{Call, History};
pub use summary::RaftSummary;

use crate::{
    simulation::Simulation,
    simulator::{Mutation, Trace},
};
use anyhow::{Context, Result};

/// Plays one seed to its end.
///
/// # Errors
/// What the checks object to, with the last events. The same seed gives the same error.
pub fn run(seed: u64, trace: Trace) -> Result<RaftSummary> {
    cluster_runtime::simulation::run(seed, world::play(seed, trace)).context("no runtime")?
}

/// `cargo simulate-raft`.
pub const SIMULATION: Simulation<RaftSummary> = Simulation {
    command: "simulate-raft",
    about: "Plays Raft clusters of 3 to 7 peers in virtual time, with message loss, partitions, pauses, power failures, failing disks, \
            wrong clocks and changes of the members, and checks that what clients are told is linearizable",
    seeds: 2000,
    defects: Mutation::RAFT,
    play: run,
};
