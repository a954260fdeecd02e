//! The measures, each of which can run alone.

mod acks;
mod empty;
mod filters;
mod kills;
mod million;
mod onto;
mod restart;
mod statuses;
mod tracked;
mod transfer;

use super::figures::Results;
use super::stage::Stage;
use anyhow::Result;
use clap::ValueEnum;

/// One measure; those after `Million` use one large pinset, and the last one makes it larger.
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
    /// Load the large pinset: rate, memory, bytes written, bytes at rest
    Million,
    /// Stream the status of everything
    Statuses,
    /// Ask for every status that few pins have
    Filters,
    /// First correct answer after a stop and after a kill, idle memory
    Restart,
    /// Load more onto the large pinset
    Onto,
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
            Self::Million => million::run(stage, results).await,
            Self::Statuses => statuses::run(stage, results).await,
            Self::Filters => filters::run(stage, results).await,
            Self::Restart => restart::run(stage, results).await,
            Self::Onto => onto::run(stage, results).await,
        }
    }
}
