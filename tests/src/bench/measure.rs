//! The measures, each of which can run alone.

mod acks;
mod agreed;
mod arrival;
mod behind;
mod empty;
mod events;
mod filters;
mod indexes;
mod join_go;
mod kills;
mod million;
mod mixed;
mod newcomer;
mod onto;
mod pages;
mod replicate;
mod restart;
mod statuses;
mod statuses3;
mod tracked;
mod transfer;

use super::figures::Results;
use super::stage::Stage;
use anyhow::Result;
use clap::ValueEnum;

/// One measure; those from `Million` to `Onto` use one large pinset, and `Onto` makes it larger. Those after it need
/// several peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Measure {
    /// The machine alone: synced appends, loopback, the generator's own cost (always part of a run)
    Limits,
    /// Acknowledged pins a second at c = 1, 16, 256, readable at once, memory
    Acks,
    /// Pins a second that reach the IPFS daemon
    Tracked,
    /// An empty peer: init, first answer, memory, ctl id
    Empty,
    /// Acknowledged pins lost when the daemon is killed under load
    Kills,
    /// state import and state export
    Transfer,
    /// Events under load, read by clients that are cut off again and again
    Events,
    /// Load the large pinset: rate, memory, bytes written, bytes at rest
    Million,
    /// Stream the status of everything
    Statuses,
    /// Ask for every status that few pins have
    Filters,
    /// Pages of a search, and the list of everything, also amid writes
    Pages,
    /// Search indexes made anew amid kills
    Indexes,
    /// Mixed requests on 2,000 connections, some of which hardly read
    Mixed,
    /// First correct answer after a stop and after a kill, idle memory
    Restart,
    /// Load more onto the large pinset
    Onto,
    /// Acknowledged pins a second on one of 1, 3 and 5 peers at c = 1, 16, 256, and what each peer writes
    Agreed,
    /// A voter that was away for as many pins as a large pinset has, also killed amid catching up (raft)
    Behind,
    /// Three peers: from a pin on one to its sight on another
    Replicate,
    /// A fresh peer joins one that holds many pins in batches
    Newcomer,
    /// A fresh peer joins one that holds pins in blocks of their own
    Chain,
    /// Three peers: stream the status of everything on all of them
    Statuses3,
    /// Fresh peers of both suites join a Go peer that holds many pins, in turn
    JoinGo,
    /// A fresh peer of ours is killed again and again while it fetches the large pinset from a Go peer
    JoinGoKills,
}

impl Measure {
    /// Takes the measure on a suite.
    pub(crate) async fn run(self, stage: &mut Stage<'_>, results: &mut Results) -> Result<()> {
        match self {
            Self::Limits => Ok(()),
            Self::Acks => acks::run(stage, results).await,
            Self::Tracked => tracked::run(stage, results).await,
            Self::Empty => empty::run(stage, results).await,
            Self::Kills => kills::run(stage, results).await,
            Self::Transfer => transfer::run(stage, results).await,
            Self::Events => events::run(stage, results).await,
            Self::Million => million::run(stage, results).await,
            Self::Statuses => statuses::run(stage, results).await,
            Self::Filters => filters::run(stage, results).await,
            Self::Pages => pages::run(stage, results).await,
            Self::Indexes => indexes::run(stage, results).await,
            Self::Mixed => mixed::run(stage, results).await,
            Self::Restart => restart::run(stage, results).await,
            Self::Onto => onto::run(stage, results).await,
            Self::Agreed => agreed::run(stage, results).await,
            Self::Behind => behind::run(stage, results).await,
            Self::Replicate => replicate::run(stage, results).await,
            Self::Newcomer => newcomer::batched(stage, results).await,
            Self::Chain => newcomer::chained(stage, results).await,
            Self::Statuses3 => statuses3::run(stage, results).await,
            Self::JoinGo => join_go::run(stage, results).await,
            Self::JoinGoKills => join_go::kills(stage, results).await,
        }
    }
}
