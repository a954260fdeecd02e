//! Plays the simulated Raft cluster: many seeds, one seed again, or every deliberate defect.

use anyhow::Result;
use clap::Parser;
use cluster_testkit::{
    mutants::Hunt,
    raft_simulator::{self, RaftSummary},
    seeds::{FailedSeed, run_many},
    simulator::{Mutation, Trace},
};
use std::{ops::Range, process::ExitCode, time::Instant};

/// Plays Raft clusters of 3 to 7 peers in virtual time, with message loss, partitions, pauses, power failures, failing disks,
/// wrong clocks and changes of the members, and checks that what clients are told is linearizable.
#[derive(Debug, Parser)]
#[command(name = "simulate-raft")]
struct Arguments {
    /// How many seeds to play; with --mutations, how many each defect may survive.
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Plays this seed alone and prints what happens.
    #[arg(long, conflicts_with_all = ["seeds", "mutations"])]
    seed: Option<u64>,
    /// Plays until each deliberate defect of the production code is caught; they exist only in a build that the command makes
    /// itself, in target/mutations.
    #[arg(long)]
    mutations: bool,
    /// Only these defects, by name and separated by commas.
    #[arg(long, value_delimiter = ',', requires = "mutations")]
    only: Vec<String>,
}

/// Seeds within which a defect has to be caught.
const MUTATION_SEEDS: u64 = 500;

fn play(seeds: Range<u64>, progress: impl Fn(u64) + Sync) -> std::result::Result<RaftSummary, FailedSeed> {
    run_many(seeds, |seed| raft_simulator::run(seed, Trace::Off), progress)
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(seed) = arguments.seed {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .without_time()
            .with_ansi(false)
            .with_writer(std::io::stderr)
            .init();
        let summary = raft_simulator::run(seed, Trace::On)?;
        println!("seed {seed}: {summary}");
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.mutations {
        let hunt = Hunt {
            command: "simulate-raft",
            all: Mutation::RAFT,
            only: &arguments.only,
            first: arguments.first,
            seeds: arguments.seeds.unwrap_or(MUTATION_SEEDS),
        };
        return hunt.run(|seeds| play(seeds, |_| ()));
    }
    let (first, seeds) = (arguments.first, arguments.seeds.unwrap_or(2000));
    let begin = Instant::now();
    let progress = |done: u64| {
        if done.is_multiple_of(500) {
            eprintln!("{done} of {seeds} seeds, {:.0} s", begin.elapsed().as_secs_f64());
        }
    };
    match play(first..first + seeds, progress) {
        Ok(summary) => {
            println!("{seeds} seeds in {:.1} s: {summary}", begin.elapsed().as_secs_f64());
            Ok(ExitCode::SUCCESS)
        }
        Err(FailedSeed { seed, reason }) => {
            println!("{reason}\nplay it again: simulate-raft --seed {seed}");
            Ok(ExitCode::FAILURE)
        }
    }
}
