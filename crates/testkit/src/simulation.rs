//! What is common to the simulated clusters: the commands that play them, and their short slices in the tests.

use crate::{
    mutants::Hunt,
    seeds::{FailedSeed, run_many},
    simulator::{Mutation, Trace},
};
use anyhow::Result;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use std::{fmt::Display, io, ops::AddAssign, process::ExitCode, time::Instant};

/// A simulated cluster, by what one seed makes of it.
#[derive(Debug, Clone, Copy)]
pub struct Simulation<S> {
    /// The command that plays it.
    pub command: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Seeds that it plays when it is told nothing.
    pub seeds: u64,
    /// The deliberate defects of the production code that it notices.
    pub defects: &'static [Mutation],
    /// Plays one seed. The same seed gives the same result.
    pub play: fn(u64, Trace) -> Result<S>,
}

#[derive(Debug, Parser)]
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
    /// Plays until each deliberate defect of the production code is caught. They exist only in a build with
    /// `--cfg cluster_mutations`, which the command makes itself, in target/mutations.
    #[arg(long)]
    mutations: bool,
    /// Only these defects, by name and separated by commas.
    #[arg(long, value_delimiter = ',', requires = "mutations")]
    only: Vec<String>,
}

/// Seeds within which a defect has to be caught.
const MUTATION_SEEDS: u64 = 500;

impl<S: AddAssign + Default + Display + Send> Simulation<S> {
    /// Runs the command.
    ///
    /// # Errors
    /// The failure of the one seed, or a defect that is not caught.
    pub fn main(&self) -> Result<ExitCode> {
        let command = Arguments::command().name(self.command).about(self.about);
        let arguments =
            Arguments::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
        if let Some(seed) = arguments.seed {
            let filter = tracing_subscriber::EnvFilter::from_default_env();
            let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
            log.without_time().with_ansi(false).init();
            println!("seed {seed}: {}", (self.play)(seed, Trace::On)?);
            return Ok(ExitCode::SUCCESS);
        }
        if arguments.mutations {
            let hunt = Hunt {
                command: self.command,
                all: self.defects,
                only: &arguments.only,
                first: arguments.first,
                seeds: arguments.seeds.unwrap_or(MUTATION_SEEDS),
            };
            return hunt.run(|seeds| run_many(seeds, |seed| (self.play)(seed, Trace::Off), |_| ()));
        }
        let (first, seeds) = (arguments.first, arguments.seeds.unwrap_or(self.seeds));
        let begin = Instant::now();
        let progress = |done: u64| {
            if done.is_multiple_of(500) {
                eprintln!("{done} of {seeds} seeds, {:.0} s", begin.elapsed().as_secs_f64());
            }
        };
        match run_many(first..first + seeds, |seed| (self.play)(seed, Trace::Off), progress) {
            Ok(summary) => {
                println!("{seeds} seeds in {:.1} s: {summary}", begin.elapsed().as_secs_f64());
                Ok(ExitCode::SUCCESS)
            }
            Err(failed) => {
                println!("{}", self.describe(&failed));
                Ok(ExitCode::FAILURE)
            }
        }
    }

    /// Plays the first seeds, as the tests do, and panics when one fails.
    pub fn check(&self, seeds: u64) {
        match run_many(0..seeds, |seed| (self.play)(seed, Trace::Off), |_| ()) {
            Ok(summary) => println!("{seeds} seeds: {summary}"),
            Err(failed) => panic!("{}", self.describe(&failed)),
        }
    }

    /// Plays each of these seeds twice, and panics when something else happens the second time.
    pub fn check_replay(&self, seeds: &[u64]) {
        for seed in seeds {
            let play = || match (self.play)(*seed, Trace::Off) {
                Ok(summary) => summary.to_string(),
                Err(error) => panic!("seed {seed}: {error:#}"),
            };
            assert_eq!(play(), play(), "seed {seed} does not replay");
        }
    }

    fn describe(&self, failed: &FailedSeed) -> String {
        format!("{}\nplay it again: cargo {} --seed {}", failed.reason, self.command, failed.seed)
    }
}
