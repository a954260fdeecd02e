//! Why there is no configuration.

use super::{
    file::ConfigFormat,
    mistake::{Mistake, SyntaxMistake},
    source::SourceError,
};
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
    /// A configuration in the other notation.
    #[error(
        "{} exists, and a {wanted} beside it would be one configuration too many: move it away, or use another folder",
        exists.display()
    )]
    OtherFile {
        /// The file that is there.
        exists: PathBuf,
        /// Name of the file that was to be written.
        wanted: &'static str,
    },
    /// No configuration.
    #[error("neither {} nor {} exists; run init first", toml.display(), json.display())]
    Missing {
        /// Where ours was looked for.
        toml: PathBuf,
        /// Where the Go implementation's was looked for.
        json: PathBuf,
    },
    /// It cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what its name says.
    #[error("{place} is not valid {}:{}", format.name(), lines(mistakes))]
    Syntax {
        /// The file, or the URL.
        place: String,
        /// What it should be.
        format: ConfigFormat,
        /// All syntax errors.
        mistakes: Vec<SyntaxMistake>,
    },
    /// It can be read, but has mistakes.
    #[error("{} in {place}:{}", count(mistakes.len()), lines(mistakes))]
    Mistakes {
        /// The file, the URL, or the environment.
        place: String,
        /// All mistakes.
        mistakes: Vec<Mistake>,
    },
    /// It is kept elsewhere and cannot be had from there.
    #[error(transparent)]
    Source(#[from] SourceError),
}

fn count(mistakes: usize) -> String {
    if mistakes == 1 { "1 mistake".to_owned() } else { format!("{mistakes} mistakes") }
}

fn lines<T: ToString>(mistakes: &[T]) -> String {
    mistakes.iter().map(|mistake| format!("\n  {}", mistake.to_string())).collect()
}
