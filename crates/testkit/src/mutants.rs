//! Runs that must fail: the production code with one deliberate defect each.

use crate::seeds::FailedSeed;
use anyhow::{Context, Result, bail};
use cluster_core::mutate::Mutation;
use std::{
    path::Path,
    process::{Command, ExitCode},
};

/// Has the command `program` of this crate hunt for these defects, and panics when one is not caught.
pub fn check_caught(program: &str, defects: &[&str]) {
    let mut command = Command::new(program);
    command.args(["--mutations", "--only", &defects.join(",")]);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    let output = command.output().unwrap_or_else(|error| panic!("{program} does not run: {error}"));
    let (shown, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let all = format!("{0} of {0} defects caught", defects.len());
    assert!(output.status.success() && shown.contains(&all), "{shown}{errors}");
    println!("{shown}");
}

/// Which defects to try, and how long.
#[derive(Debug)]
pub struct Hunt<'a> {
    /// The command that hunts, by which the build with the defects is called.
    pub command: &'a str,
    /// All defects that it knows.
    pub all: &'a [Mutation],
    /// Only these, by name; all when empty.
    pub only: &'a [String],
    /// The first seed.
    pub first: u64,
    /// Seeds within which a defect has to be caught.
    pub seeds: u64,
}

impl Hunt<'_> {
    fn chosen(&self) -> Result<Vec<Mutation>> {
        if self.only.is_empty() {
            return Ok(self.all.to_vec());
        }
        let find = |name: &String| {
            let found = self.all.iter().copied().find(|mutation| mutation.name() == name);
            found.with_context(|| format!("there is no defect named {name}"))
        };
        self.only.iter().map(find).collect()
    }

    /// Plays until each defect is caught.
    ///
    /// # Errors
    /// When one is not.
    #[cfg(cluster_mutations)]
    pub fn run<S>(&self, play: impl Fn(std::ops::Range<u64>) -> Result<S, FailedSeed>) -> Result<ExitCode> {
        // A defect may well panic; that counts as caught and needs no backtrace.
        std::panic::set_hook(Box::new(|_| {}));
        let mut survivors = Vec::new();
        let all = self.chosen()?;
        for mutation in &all {
            cluster_core::mutate::select(Some(*mutation));
            match play(self.first..self.first + self.seeds) {
                Err(FailedSeed { seed, reason }) => {
                    let reason = reason.lines().last().unwrap_or_default();
                    println!("{:26} caught by seed {seed}: {reason}", mutation.name());
                }
                Ok(_) => {
                    println!("{:26} SURVIVES {} seeds", mutation.name(), self.seeds);
                    survivors.push(mutation.name());
                }
            }
        }
        cluster_core::mutate::select(None);
        println!("{} of {} defects caught", all.len() - survivors.len(), all.len());
        if !survivors.is_empty() {
            bail!("not caught: {}", survivors.join(", "));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Makes the build that has the defects, and runs it.
    ///
    /// # Errors
    /// When a defect is not caught, or the build fails.
    #[cfg(not(cluster_mutations))]
    pub fn run<S>(&self, _: impl Fn(std::ops::Range<u64>) -> Result<S, FailedSeed>) -> Result<ExitCode> {
        self.chosen()?;
        let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        let mut flags = std::env::var("RUSTFLAGS").unwrap_or_default();
        flags.push_str(" --cfg cluster_mutations");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["run", "--quiet"]);
        if !cfg!(debug_assertions) {
            command.arg("--release");
        }
        command.arg("--target-dir").arg(Path::new(&target).join("mutations"));
        command.args(["-p", "cluster-testkit", "--bin", self.command, "--", "--mutations"]);
        command.args(["--seeds", &self.seeds.to_string(), "--first", &self.first.to_string()]);
        if !self.only.is_empty() {
            command.args(["--only", &self.only.join(",")]);
        }
        let status = command.env("RUSTFLAGS", flags).status().context("cannot start cargo")?;
        if !status.success() {
            bail!("the build with the defects, or its run, failed");
        }
        Ok(ExitCode::SUCCESS)
    }
}
