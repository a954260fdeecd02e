//! From the arguments of the process to a command.

use crate::arguments::{Arguments, Verb};
use clap::{CommandFactory, FromArgMatches, error::ErrorKind};
use cluster_daemon::{Command, Environment};
use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

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
const NAMES: [&str; 2] = ["cluster-service", "ipfs-cluster-service"];

/// Reads the arguments. What has been answered already (help, version, mistakes) comes back as an exit code.
pub(crate) fn parse(
    arguments: impl Iterator<Item = OsString>,
    environment: &Environment,
) -> Result<Parsed, ExitCode> {
    let mut arguments: Vec<OsString> = arguments.collect();
    let called = arguments.first().and_then(|path| Path::new(path).file_name());
    let name = NAMES.into_iter().find(|name| called == Some(OsStr::new(name))).unwrap_or(NAMES[0]);
    let program = Arguments::command().name(name).bin_name(name);
    let longs = long_flags(&program);
    accept_single_dashes(&mut arguments, &longs);
    let parsed = program
        .clone()
        .try_get_matches_from(arguments)
        .and_then(|matches| Arguments::from_arg_matches(&matches))
        .map_err(|error| answer(&error, program))?;
    let Arguments { config, debug, loglevel: levels, verb, .. } = parsed;
    let base = || {
        config.or_else(|| environment.non_empty("IPFS_CLUSTER_PATH").map(PathBuf::from)).map_or_else(
            || {
                home(environment).map(|home| home.join(".ipfs-cluster")).ok_or_else(|| {
                    eprintln!("error finding the base folder: there is no home folder; use --config");
                    ExitCode::FAILURE
                })
            },
            Ok,
        )
    };
    let command = match verb {
        Verb::Version => return Ok(Parsed::Version),
        Verb::Init(init) => init.command(base()?),
        Verb::Daemon(daemon) => daemon.command(base()?),
        Verb::State(state) => state.command(base()?),
    };
    Ok(Parsed::Run { command, levels, debug })
}

/// Answers what clap stopped at: help and version are asked for, everything else is a mistake.
fn answer(error: &clap::Error, mut program: clap::Command) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::InvalidSubcommand => {
            let _ = program.print_help();
            ExitCode::FAILURE
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            // To standard output, where the reference prints it.
            print!("{}", error.render());
            ExitCode::FAILURE
        }
        _ => {
            let _ = error.print();
            ExitCode::FAILURE
        }
    }
}

/// Collects the names of all long flags.
fn long_flags(program: &clap::Command) -> BTreeSet<String> {
    let own = program.get_arguments().flat_map(|argument| {
        argument
            .get_long_and_visible_aliases()
            .into_iter()
            .flatten()
            .chain(argument.get_all_aliases().into_iter().flatten())
    });
    let mut names: BTreeSet<String> = own.map(str::to_owned).collect();
    names.extend(program.get_subcommands().flat_map(long_flags));
    names.insert("help".to_owned());
    names
}

/// Makes `-consensus crdt` and `-config=/x` mean what they mean to the reference: a long flag may have one dash.
fn accept_single_dashes(arguments: &mut [OsString], longs: &BTreeSet<String>) {
    for argument in arguments.iter_mut().skip(1) {
        let Some(text) = argument.to_str() else { continue };
        if text == "--" {
            break;
        }
        let Some(flag) = text.strip_prefix('-').filter(|flag| !flag.starts_with('-')) else { continue };
        let name = flag.split('=').next().unwrap_or(flag);
        if name.len() > 1 && longs.contains(name) {
            *argument = OsString::from(format!("--{flag}"));
        }
    }
}

/// Finds the home folder: `HOME`, else the one the user database names.
fn home(environment: &Environment) -> Option<PathBuf> {
    if let Some(home) = environment.non_empty("HOME") {
        return Some(PathBuf::from(home));
    }
    let user = rustix::process::getuid().as_raw().to_string();
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let mut fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let home = fields.find(|fields| fields.get(2) == Some(&user.as_str()))?;
    home.get(5).filter(|home| !home.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_hold_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn long_flags_may_have_one_dash_and_short_ones_stay() {
        let longs = long_flags(&Arguments::command());
        let mut arguments: Vec<OsString> =
            ["x", "-config=/a", "-d", "init", "-consensus", "crdt", "-f", "-rmin", "-1", "--", "-peers"]
                .map(OsString::from)
                .into();
        accept_single_dashes(&mut arguments, &longs);
        let expected =
            ["x", "--config=/a", "-d", "init", "--consensus", "crdt", "-f", "--rmin", "-1", "--", "-peers"];
        assert_eq!(arguments, expected.map(OsString::from));
    }

    #[test]
    fn an_empty_home_falls_back_to_the_user_database() {
        assert_eq!(home(&Environment::of([("HOME", "/h")])), Some(PathBuf::from("/h")));
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let fallback = home(&Environment::of([("HOME", "")]));
        assert!(fallback.is_none_or(|home| users.contains(&format!(":{}:", home.display()))));
    }
}
