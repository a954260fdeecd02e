//! The command line of the benchmark.

use super::measure::Measure;
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Measure whole cluster peers through their REST API, beside the machine's own limits.
#[derive(Debug, Clone, Parser)]
#[command(name = "bench", arg_required_else_help = true)]
pub(crate) struct Settings {
    /// What to measure
    #[arg(value_enum)]
    pub(crate) measures: Vec<Measure>,
    /// Measure everything
    #[arg(long, conflicts_with = "measures")]
    pub(crate) all: bool,
    /// Small counts and short times: to see that everything works, not how fast it is
    #[arg(long)]
    pub(crate) quick: bool,
    /// Our daemon, instead of the one cargo builds
    #[arg(long, requires = "ctl")]
    pub(crate) service: Option<PathBuf>,
    /// Our client, instead of the one cargo builds
    #[arg(long, requires = "service")]
    pub(crate) ctl: Option<PathBuf>,
    /// Do not build our programs first
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Folder with ipfs-cluster-service and ipfs-cluster-ctl of IPFS Cluster 1.1.6, to measure them too
    #[arg(long, env = "CLUSTER_GO_BIN")]
    pub(crate) go: Option<PathBuf>,
    /// Measure one suite alone
    #[arg(long, value_enum)]
    pub(crate) only: Option<Only>,
    /// Measure everything this often, the suites in turn, and print medians
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) alternate: u32,
    /// Length of one load in seconds [default: 10, quick 2]
    #[arg(long)]
    seconds: Option<f64>,
    /// Seconds of load before counting begins [default: 1, quick 0.3]
    #[arg(long)]
    warm_up: Option<f64>,
    /// Pins present in the measures of a large pinset [default: 1000000, quick 20000]
    #[arg(long)]
    pins: Option<u64>,
    /// Pins added on top of them [default: 3000000, quick 20000]
    #[arg(long)]
    more: Option<u64>,
    /// Pins queued in the measure of the tracker [default: 30000, quick 3000]
    #[arg(long)]
    queued: Option<u64>,
    /// Times a peer is killed under load [default: 24, quick 3]
    #[arg(long)]
    kills: Option<u32>,
    /// Pins timed one by one from one peer to another [default: 200, quick 20]
    #[arg(long)]
    replicated: Option<u64>,
    /// Pins of a cluster, in batches, that a newcomer fetches or whose statuses are asked for [default: 100000, quick 2000]
    #[arg(long)]
    held: Option<u64>,
    /// Pins of a cluster, each in a block of its own, that a newcomer fetches [default: 10000, quick 300]
    #[arg(long)]
    chained: Option<u64>,
    /// Newcomers, one after the other [default: 3, quick 1]
    #[arg(long)]
    newcomers: Option<u32>,
    /// Milliseconds the stand-in of the IPFS daemon waits before each answer
    #[arg(long, default_value_t = 5.0)]
    pub(crate) delay: f64,
    /// The same while the queue left by a large load empties and nothing is timed
    #[arg(long, default_value_t = 0.0)]
    pub(crate) drain_delay: f64,
    /// How the large pinset comes to be when the measure that loads it was not asked for
    #[arg(long, value_enum, default_value_t = SeedBy::Import)]
    pub(crate) seed_by: SeedBy,
    /// How the peers agree; both suites' `init` is told
    #[arg(long, value_enum, default_value_t = Consensus::Crdt)]
    pub(crate) consensus: Consensus,
    /// consensus.crdt.batching of the peers: size and age, as in 500,1s
    #[arg(long, value_name = "SIZE,AGE")]
    pub(crate) batching: Option<String>,
    /// Seed of the CIDs and of the moments of the kills
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Folder for the peers' temporary folders: on the disk to be measured [default: the system's]
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// Also write the table, as markdown, to this file
    #[arg(long)]
    pub(crate) markdown: Option<PathBuf>,
    /// Also write every single result, a JSON object a line, to this file
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

/// Which suite alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    /// This project's
    Ours,
    /// Go's
    Go,
}

/// How the peers agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Consensus {
    /// A Merkle-CRDT
    Crdt,
    /// One order of changes, held by a majority
    Raft,
}

impl Consensus {
    /// Returns the name that `init` takes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crdt => "crdt",
            Self::Raft => "raft",
        }
    }
}

/// Where a large pinset comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SeedBy {
    /// `state import`
    Import,
    /// One request a pin
    Load,
}

impl Settings {
    fn pick<T>(&self, given: Option<T>, full: T, quick: T) -> T {
        given.unwrap_or(if self.quick { quick } else { full })
    }

    /// Returns the length of one load.
    pub(crate) fn load_time(&self) -> Duration {
        seconds(self.pick(self.seconds, 10.0, 2.0))
    }

    /// Returns the time before counting begins.
    pub(crate) fn warm_up_time(&self) -> Duration {
        seconds(self.pick(self.warm_up, 1.0, 0.3))
    }

    /// Returns how many pins a large pinset has.
    pub(crate) fn pins(&self) -> u64 {
        self.pick(self.pins, 1_000_000, 20_000)
    }

    /// Returns how many are added to it.
    pub(crate) fn more(&self) -> u64 {
        self.pick(self.more, 3_000_000, 20_000)
    }

    /// Returns how many pins are queued for the tracker.
    pub(crate) fn queued(&self) -> u64 {
        self.pick(self.queued, 30_000, 3_000)
    }

    /// Returns how often a peer is killed.
    pub(crate) fn kills(&self) -> u32 {
        self.pick(self.kills, 24, 3)
    }

    /// Returns how many pins are timed from one peer to another.
    pub(crate) fn replicated(&self) -> u64 {
        self.pick(self.replicated, 200, 20)
    }

    /// Returns how many pins in batches a cluster holds.
    pub(crate) fn held(&self) -> u64 {
        self.pick(self.held, 100_000, 2_000)
    }

    /// Returns how many pins in blocks of their own a cluster holds.
    pub(crate) fn chained(&self) -> u64 {
        self.pick(self.chained, 10_000, 300)
    }

    /// Returns how many newcomers fetch a pinset.
    pub(crate) fn newcomers(&self) -> u32 {
        self.pick(self.newcomers, 3, 1)
    }

    /// Returns how often something short is repeated for its median.
    pub(crate) fn repeats(&self) -> usize {
        self.pick(None, 11, 3)
    }

    /// Returns how often something on the large pinset is repeated for its median.
    pub(crate) fn slow_repeats(&self) -> usize {
        self.pick(None, 5, 2)
    }

    /// Returns how long a peer rests before its idle memory is read.
    pub(crate) fn rest(&self) -> Duration {
        seconds(self.pick(None, 10.0, 2.0))
    }

    /// Returns what to measure, in the order of the list.
    pub(crate) fn measures(&self) -> Vec<Measure> {
        let mut measures = if self.all { Measure::value_variants().to_vec() } else { self.measures.clone() };
        measures.sort_unstable();
        measures.dedup();
        measures
    }

    /// Describes everything a figure depends on, in one line.
    pub(crate) fn describe(&self) -> String {
        format!(
            "{}consensus {}, load {} s after {} s warm-up, stub delay {} ms (draining {} ms), {} pins present, {} more, {} kills, \
             {} replicated, {} held in batches, {} chained, {} newcomer(s), batching {}, seed {}, {} round(s); default workers, all indexes and the tracker on",
            if self.quick { "QUICK (not comparable with the bars): " } else { "" },
            self.consensus.name(),
            self.load_time().as_secs_f64(),
            self.warm_up_time().as_secs_f64(),
            self.delay,
            self.drain_delay,
            self.pins(),
            self.more(),
            self.kills(),
            self.replicated(),
            self.held(),
            self.chained(),
            self.newcomers(),
            self.batching.as_deref().unwrap_or("off"),
            self.seed,
            self.alternate,
        )
    }
}

fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or(Duration::from_secs(1))
}
