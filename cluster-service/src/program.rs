//! From the arguments of the process to a command.

use crate::arguments::{Arguments, Verb};
use clap::{CommandFactory, FromArgMatches};
use cluster_cli::{Program, Stop};
use cluster_daemon::{Command, Environment, program_folder};
use std::{ffi::OsString, process::ExitCode};

/// What the arguments ask for.
pub(crate) enum Parsed {
    /// Print the version and nothing else.
    Version,
    /// Carry out a command, with these levels for its logs.
    Run {
        /// The command.
        command: Command,
        /// `--loglevel`.
        levels: Option<String>,
        /// `--debug`.
        debug: bool,
    },
}

/// Names the program may be called by; the first is its own.
const NAMES: [&str; 2] = ["cluster-service", GO_NAME];

/// The name of the Go suite's program.
const GO_NAME: &str = "ipfs-cluster-service";

const DESCRIPTION: &str = "Runs a peer of a cluster, which keeps a pinset and sees to it that IPFS daemons hold what is in it.\n\
\"init\" makes its configuration and identity, \"config\" looks at the former, \"daemon\" runs it, \"state\" works on the\n\
pinset of a stopped one.";

/// Reads the arguments. What has been answered already (help, version, mistakes) comes back as an exit code.
pub(crate) fn parse(
    mut words: impl Iterator<Item = OsString>,
    environment: &Environment,
) -> Result<Parsed, ExitCode> {
    let called_as = words.next().unwrap_or_default();
    let program = Program::new(Arguments::command(), &called_as.to_string_lossy(), NAMES, DESCRIPTION);
    let matches = program.parse(words).map_err(|stop| answer(stop, &program))?;
    let parsed = Arguments::from_arg_matches(&matches).map_err(|error| {
        let _ = error.print();
        ExitCode::FAILURE
    })?;
    let Arguments { config, debug, loglevel: levels, verb, .. } = parsed;
    let base = || {
        program_folder(config, ".ipfs-cluster", environment).map_err(|error| {
            eprintln!("error finding the base folder: {error}");
            ExitCode::FAILURE
        })
    };
    let command = match verb {
        Verb::Version => return Ok(Parsed::Version),
        Verb::Manuals(asked) => return Err(program.print_manuals(&asked)),
        Verb::Init(init) => {
            // Scripts written for the Go suite expect its file.
            let format = if program.name() == GO_NAME { "json" } else { "toml" };
            init.command(base()?, format)
        }
        Verb::Daemon(daemon) => daemon.command(base()?),
        Verb::Config(config) => config.command(base()?),
        Verb::State(state) => state.command(base()?),
    };
    Ok(Parsed::Run { command, levels, debug })
}

/// Prints what there is to say. Without a command of the program the reference exits 1, help or not; of a bad flag,
/// where it exits 0, scripts had better learn.
fn answer(stop: Stop, program: &Program) -> ExitCode {
    let stop = match stop {
        Stop::NoCommand(help) => Stop::Usage(help),
        Stop::UnknownCommand { group, .. } if group.is_empty() => Stop::Usage(program.help(&[])),
        other => other,
    };
    stop.report()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_hold_together() {
        Arguments::command().debug_assert();
    }
}
