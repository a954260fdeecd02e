//! A program with commands.

use crate::{
    Manuals, Stop, help,
    rewrite::{Rewritten, rewrite},
    stop,
};
use clap::{ArgMatches, Command, error::ErrorKind};
use std::{ffi::OsString, io, process::ExitCode};

/// A program with commands, under the name it was called by.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    command: Command,
}

impl Program {
    /// Makes a program of its commands. The file name in `called_as` chooses among `names`: one that begins
    /// with the second, or else the first. The description stands in the help of the program itself.
    pub fn new(command: Command, called_as: &str, names: [&'static str; 2], description: &str) -> Self {
        let name = Self::name_of(called_as, names);
        let mut command = help::dress(command.name(name).bin_name(name), name, description);
        command.build();
        Self { name, command }
    }

    /// Chooses the name to show, as [`Program::new`] does: for a program whose help needs it before.
    pub fn name_of(called_as: &str, names: [&'static str; 2]) -> &'static str {
        let file = called_as.rsplit('/').next().unwrap_or_default();
        let [own, other] = names;
        if file.starts_with(other) { other } else { own }
    }

    /// Returns the name to show.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Reads the words after the program's name.
    ///
    /// # Errors
    /// When there is nothing to run.
    pub fn parse(&self, words: impl Iterator<Item = OsString>) -> Result<ArgMatches, Stop> {
        let Rewritten { words, path, unknown } = rewrite(&self.command, words.collect());
        if let Some(name) = unknown {
            let text = format!("No help topic for '{name}'\n");
            return Err(Stop::UnknownCommand { name, group: path, text });
        }
        let words = std::iter::once(OsString::from(self.name)).chain(words);
        self.command.clone().try_get_matches_from(words).map_err(|error| match error.kind() {
            ErrorKind::DisplayVersion => Stop::Show(self.version_line()),
            ErrorKind::DisplayHelp => Stop::Show(self.help(&path)),
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
                if path.is_empty() { Stop::NoCommand(self.help(&path)) } else { Stop::Show(self.help(&path)) }
            }
            _ => {
                let text = error.render().to_string();
                let first = text.split("\n\n").next().unwrap_or_default();
                let problem = first.strip_prefix("error: ").unwrap_or(first);
                Stop::Usage(format!("Incorrect Usage: {problem}\n\n{}", self.help(&path)))
            }
        })
    }

    /// Renders the help of the command that `path` leads to; of the program itself when it is empty.
    pub fn help(&self, path: &[String]) -> String {
        help::render(self.command.clone(), path)
    }

    /// Lists every command with its path, groups included, hidden ones not.
    pub fn commands(&self) -> Vec<String> {
        let mut found = Vec::new();
        help::list(&self.command, self.name, &mut found);
        found
    }

    /// Makes completions or manual pages, and returns what to print: the completions, or the names of the pages.
    ///
    /// # Errors
    /// When a page cannot be written; the text names it.
    pub fn manuals(&self, asked: &Manuals) -> io::Result<String> {
        asked.make(&self.command)
    }

    /// Prints completions or manual pages, and returns the exit code.
    pub fn print_manuals(&self, asked: &Manuals) -> ExitCode {
        match self.manuals(asked) {
            Ok(text) => stop::print(io::stdout().lock(), &text, ExitCode::SUCCESS),
            Err(error) => {
                eprintln!("error making manuals: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn version_line(&self) -> String {
        format!("{} version {}\n", self.name, self.command.get_version().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
