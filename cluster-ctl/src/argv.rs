//! From the words of the command line to a parsed command (api §4.1).

mod rewrite;

use crate::{cli::Cli, exit::Exit, help};
use clap::{FromArgMatches, error::ErrorKind};
use rewrite::{Rewritten, rewrite};
use std::{
    io::{self, Write},
    process::ExitCode,
};

/// Why there is nothing to run.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A text that was asked for.
    Show(String),
    /// A mistake, with the help that goes with it.
    Usage(String),
    /// No such command.
    UnknownCommand(String),
}

impl Stop {
    /// Prints what there is to say and returns the exit code.
    pub(crate) fn report(self) -> ExitCode {
        // A closed pipe is no failure; there is nowhere to report any other.
        match self {
            Self::Show(text) => {
                let _ = io::stdout().lock().write_all(text.as_bytes());
                Exit::Success.into()
            }
            Self::Usage(text) => {
                let _ = io::stdout().lock().write_all(text.as_bytes());
                Exit::Client.into()
            }
            Self::UnknownCommand(name) => {
                let _ = writeln!(io::stderr().lock(), "No help topic for '{name}'");
                Exit::UnknownCommand.into()
            }
        }
    }
}

/// Parses the words after the program's name.
pub(crate) fn parse(program: &'static str, args: impl Iterator<Item = String>) -> Result<Cli, Stop> {
    let command = help::command(program);
    let Rewritten { words, path, unknown } = rewrite(&command, args.collect());
    if let Some(name) = unknown {
        return Err(Stop::UnknownCommand(name));
    }
    let words = std::iter::once(program.to_owned()).chain(words);
    let parsed = command.try_get_matches_from(words).and_then(|m| Cli::from_arg_matches(&m));
    parsed.map_err(|error| match error.kind() {
        ErrorKind::DisplayVersion => Stop::Show(help::version_line(program) + "\n"),
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::MissingSubcommand => Stop::Show(help::render(program, &path)),
        _ => {
            let text = error.render().to_string();
            let first = text.split("\n\n").next().unwrap_or_default();
            let problem = first.strip_prefix("error: ").unwrap_or(first);
            Stop::Usage(format!("Incorrect Usage: {problem}\n\n{}", help::render(program, &path)))
        }
    })
}

#[cfg(test)]
mod tests;
