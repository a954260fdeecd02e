//! What a shell and `man` know of a program.

use clap::{Args, Command, Subcommand};
use clap_complete::Shell;
use clap_mangen::Man;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Commands about the command line itself, the same for every program.
#[derive(Debug, Subcommand)]
pub enum Manuals {
    /// Print what a shell needs to complete command lines
    ///
    /// Bash looks for it in /usr/share/bash-completion/completions, zsh in $fpath, fish in ~/.config/fish/completions.
    Completions(CompletionsArgs),
    /// Write a manual page for every command
    Man(ManArgs),
}

/// Flags of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "shell", value_enum)]
    shell: Shell,
}

/// Flags of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder to write to, which is made if it is missing; `man -l` shows a page of it
    #[arg(value_name = "folder")]
    folder: PathBuf,
}

impl Manuals {
    /// Makes what is asked for of a program, and returns what to print.
    pub(crate) fn make(&self, command: &Command) -> io::Result<String> {
        match self {
            Self::Completions(CompletionsArgs { shell }) => {
                let mut script = Vec::new();
                let name = command.get_name().to_owned();
                clap_complete::generate(*shell, &mut command.clone(), name, &mut script);
                Ok(String::from_utf8_lossy(&script).into_owned())
            }
            Self::Man(ManArgs { folder }) => {
                fs::create_dir_all(folder).map_err(|error| naming(folder, &error))?;
                let mut written = String::new();
                write_pages(command, command.get_name(), folder, &mut written)?;
                Ok(written)
            }
        }
    }
}

/// Writes the page of a command and those of everything below it, as `<program>-<command>.1`.
fn write_pages(command: &Command, name: &str, folder: &Path, written: &mut String) -> io::Result<()> {
    let mut page = Vec::new();
    // The help template is for terminals; a page has sections of its own.
    Man::new(command.clone().display_name(name)).title(name.to_owned()).render(&mut page)?;
    let path = folder.join(format!("{name}.1"));
    fs::write(&path, page).map_err(|error| naming(&path, &error))?;
    *written += &format!("{}\n", path.display());
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        write_pages(sub, &format!("{name}-{}", sub.get_name()), folder, written)?;
    }
    Ok(())
}

fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
}
