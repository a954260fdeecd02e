//! Plays the simulated cluster: many seeds, one seed again, or every deliberate defect.

use anyhow::Result;
use clap::Parser;
use cluster_testkit::{
    mutants::Hunt,
    simulator::{self, FailedSeed, Mutation, Trace},
};
use std::{process::ExitCode, time::Instant};

/// Plays a cluster of 5 to 7 replicas in virtual time, with message loss, partitions, power failures and failing
/// disks, and compares what every replica holds with an independent oracle.
///
/// With --mutations it proves that the oracle sees: each deliberate defect of the production code has to be
/// caught. The defects exist only in a build with `--cfg cluster_mutations`; the command makes that build itself,
/// in target/mutations, as this does:
/// RUSTFLAGS="--cfg cluster_mutations" cargo run --release --target-dir target/mutations -p cluster-testkit
/// --bin simulate -- --mutations
#[derive(Debug, Parser)]
#[command(name = "simulate", verbatim_doc_comment)]
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
    /// Plays until each deliberate defect is caught.
    #[arg(long)]
    mutations: bool,
    /// Only these defects, by name and separated by commas.
    #[arg(long, value_delimiter = ',', requires = "mutations")]
    only: Vec<String>,
}

/// Seeds within which a defect has to be caught.
const MUTATION_SEEDS: u64 = 500;

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.mutations {
        let hunt = Hunt {
            command: "simulate",
            all: Mutation::ALL,
            only: &arguments.only,
            first: arguments.first,
            seeds: arguments.seeds.unwrap_or(MUTATION_SEEDS),
        };
        return hunt.run(|seeds| simulator::run_many(seeds, |_| ()));
    }
    if let Some(seed) = arguments.seed {
        let summary = simulator::run(seed, Trace::On)?;
        println!("seed {seed}: {summary}");
        return Ok(ExitCode::SUCCESS);
    }
    let (first, seeds) = (arguments.first, arguments.seeds.unwrap_or(10_000));
    let begin = Instant::now();
    let progress = |done: u64| {
        if done.is_multiple_of(1000) {
            eprintln!("{done} of {seeds} seeds, {:.0} s", begin.elapsed().as_secs_f64());
        }
    };
    match simulator::run_many(first..first + seeds, progress) {
        Ok(summary) => {
            println!("{seeds} seeds in {:.1} s: {summary}", begin.elapsed().as_secs_f64());
            Ok(ExitCode::SUCCESS)
        }
        Err(FailedSeed { seed, reason }) => {
            println!("{reason}\nplay it again: simulate --seed {seed}");
            Ok(ExitCode::FAILURE)
        }
    }
}
