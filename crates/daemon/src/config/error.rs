//! Why there is no configuration.

use super::mistake::{Mistake, SyntaxMistake};
use std::path::PathBuf;

/// Failure to load the configuration. No text holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Two configurations in one folder.
    #[error("both {} and {} exist; keep the one that is meant and move the other away", toml.display(), json.display())]
    TwoFiles {
        /// Ours.
        toml: PathBuf,
        /// The Go implementation's.
        json: PathBuf,
    },
    /// Only a file of the Go implementation.
    #[error(
        "found {}, but reading it in place comes with a later version; run init in another folder to get a service.toml",
        json.display()
    )]
    OnlyGoFile {
        /// That file.
        json: PathBuf,
    },
    /// No configuration.
    #[error("{} does not exist; run init first", toml.display())]
    Missing {
        /// Where it was looked for.
        toml: PathBuf,
    },
    /// It cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not TOML.
    #[error("{} is not valid TOML:{}", path.display(), lines(mistakes))]
    Syntax {
        /// The file.
        path: PathBuf,
        /// All syntax errors.
        mistakes: Vec<SyntaxMistake>,
    },
    /// It is TOML with mistakes.
    #[error("{} in {}:{}", count(mistakes.len()), place(path.as_ref()), lines(mistakes))]
    Mistakes {
        /// The file; `None` when there is only the environment.
        path: Option<PathBuf>,
        /// All mistakes.
        mistakes: Vec<Mistake>,
    },
}

fn count(mistakes: usize) -> String {
    if mistakes == 1 { "1 mistake".to_owned() } else { format!("{mistakes} mistakes") }
}

fn place(path: Option<&PathBuf>) -> String {
    path.map_or_else(|| "the environment".to_owned(), |path| path.display().to_string())
}

fn lines<T: ToString>(mistakes: &[T]) -> String {
    mistakes.iter().map(|mistake| format!("\n  {}", mistake.to_string())).collect()
}
