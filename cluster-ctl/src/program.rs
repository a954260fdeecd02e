//! The program's names and commands (api §4.1).

use crate::cli::Cli;
use clap::{CommandFactory, FromArgMatches};
use cluster_cli::{Program, Stop};
use std::ffi::OsString;

const NAMES: [&str; 2] = ["cluster-ctl", "ipfs-cluster-ctl"];

const DESCRIPTION: &str = "Talks to the REST API of a cluster peer. The state shown is that peer's view of the \
cluster; whether\ncontent is on a peer's disk is what \"status\" says, not \"pin ls\".";

/// Makes the program under the name it was called by.
pub(crate) fn program(called_as: &str) -> Program {
    Program::new(Cli::command().version(env!("CARGO_PKG_VERSION")), called_as, NAMES, DESCRIPTION)
}

/// Parses the words after the program's name.
pub(crate) fn parse(program: &Program, words: impl Iterator<Item = OsString>) -> Result<Cli, Stop> {
    let matches = program.parse(words)?;
    // The derived reader of what the derived declaration matched cannot fail.
    Cli::from_arg_matches(&matches).map_err(|error| Stop::Usage(format!("Incorrect Usage: {error}\n")))
}

#[cfg(test)]
mod tests;
