//! Plays the simulated cluster: many seeds, one seed again, or every deliberate defect.

use anyhow::{Context, Result, bail};
use clap::Parser;
use cluster_testkit::simulator::{self, FailedSeed, Mutation, Trace};
use std::{
    process::{Command, ExitCode},
    time::Instant,
};

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
        return mutations(&arguments);
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

fn chosen(only: &[String]) -> Result<Vec<Mutation>> {
    if only.is_empty() {
        return Ok(Mutation::ALL.to_vec());
    }
    let find = |name: &String| {
        let found = Mutation::ALL.iter().copied().find(|mutation| mutation.name() == name);
        found.with_context(|| format!("there is no defect named {name}"))
    };
    only.iter().map(find).collect()
}

#[cfg(cluster_mutations)]
fn mutations(arguments: &Arguments) -> Result<ExitCode> {
    // A defect may well panic; that counts as caught and needs no backtrace.
    std::panic::set_hook(Box::new(|_| {}));
    let seeds = arguments.seeds.unwrap_or(MUTATION_SEEDS);
    let mut survivors = Vec::new();
    let all = chosen(&arguments.only)?;
    for mutation in &all {
        simulator::select(Some(*mutation));
        match simulator::run_many(arguments.first..arguments.first + seeds, |_| ()) {
            Err(FailedSeed { seed, reason }) => {
                println!("{:26} caught by seed {seed}: {reason}", mutation.name())
            }
            Ok(_) => {
                println!("{:26} SURVIVES {seeds} seeds", mutation.name());
                survivors.push(mutation.name());
            }
        }
    }
    simulator::select(None);
    println!("{} of {} defects caught", all.len() - survivors.len(), all.len());
    if !survivors.is_empty() {
        bail!("not caught: {}", survivors.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the build that has the defects, and runs it.
#[cfg(not(cluster_mutations))]
fn mutations(arguments: &Arguments) -> Result<ExitCode> {
    chosen(&arguments.only)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let mut flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    flags.push_str(" --cfg cluster_mutations");
    let seeds = arguments.seeds.unwrap_or(MUTATION_SEEDS).to_string();
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--quiet"]).args(if cfg!(debug_assertions) {
        [].as_slice()
    } else {
        &["--release"]
    });
    command.arg("--target-dir").arg(std::path::Path::new(&target).join("mutations"));
    command.args(["-p", "cluster-testkit", "--bin", "simulate", "--", "--mutations", "--seeds", &seeds]);
    command.args(["--first", &arguments.first.to_string()]);
    if !arguments.only.is_empty() {
        command.args(["--only", &arguments.only.join(",")]);
    }
    let status = command.env("RUSTFLAGS", flags).status().context("cannot start cargo")?;
    if !status.success() {
        bail!("the build with the defects, or its run, failed");
    }
    Ok(ExitCode::SUCCESS)
}
