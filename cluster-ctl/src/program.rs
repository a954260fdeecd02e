//! The program's names and commands, and what is printed when there is nothing to run (api §4.1).

use crate::{cli::Cli, exit::Exit};
use clap::{CommandFactory, FromArgMatches};
use cluster_cli::{Program, Stop};
use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

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

/// Prints what there is to say and returns the exit code.
pub(crate) fn report(stop: &Stop) -> ExitCode {
    // A closed pipe is no failure; there is nowhere to report any other.
    let (exit, text) = match stop {
        Stop::Show(text) | Stop::NoCommand(text) => (Exit::Success, text),
        Stop::Usage(text) => (Exit::Client, text),
        Stop::UnknownCommand { text, .. } => {
            let _ = io::stderr().lock().write_all(text.as_bytes());
            return Exit::UnknownCommand.into();
        }
    };
    let _ = io::stdout().lock().write_all(text.as_bytes());
    exit.into()
}

#[cfg(test)]
mod tests;
