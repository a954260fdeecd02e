//! Why there is nothing to run.

use std::{
    io::{self, Write},
    process::ExitCode,
};

/// Exit code for a command that does not exist.
const UNKNOWN_COMMAND: u8 = 3;

/// Why there is nothing to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// A text that was asked for: the version, help, or the help of a group that was called without a command.
    Show(String),
    /// No command at all; the text is the help of the program.
    NoCommand(String),
    /// A mistake, with the help that goes with it.
    Usage(String),
    /// No such command.
    UnknownCommand {
        /// The word that names none.
        name: String,
        /// The group it was looked for in; nothing is the program itself.
        group: Vec<String>,
        /// What to say.
        text: String,
    },
}

impl Stop {
    /// Prints what there is to say, and returns the exit code: 0 for what was asked for and for no command at all, 1 for
    /// a mistake, 3 for a command that does not exist (api §4.3).
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Show(text) | Self::NoCommand(text) => print(io::stdout().lock(), text, ExitCode::SUCCESS),
            Self::Usage(text) => print(io::stdout().lock(), text, ExitCode::FAILURE),
            Self::UnknownCommand { text, .. } => {
                print(io::stderr().lock(), text, ExitCode::from(UNKNOWN_COMMAND))
            }
        }
    }
}

/// Prints a text and hands the exit code through.
pub(crate) fn print(mut out: impl Write, text: &str, code: ExitCode) -> ExitCode {
    // A closed pipe is no failure; there is nowhere to report any other.
    let _ = out.write_all(text.as_bytes());
    code
}
