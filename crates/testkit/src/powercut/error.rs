//! What can go wrong while recording and rebuilding.

use super::event::Position;
use std::{io, path::PathBuf};

/// A recording or a rebuild that cannot be trusted or made.
#[derive(Debug, thiserror::Error)]
pub enum PowercutError {
    /// A file or folder failed us.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A line of the trace has no known shape.
    #[error("line {position} of the trace cannot be understood: {text}")]
    Line {
        /// Number of the line.
        position: Position,
        /// Its beginning.
        text: String,
    },
    /// The program changed the folder in a way that is not modelled.
    #[error("the program did at {position} what cannot be modelled: {call}")]
    Unsupported {
        /// Number of the line.
        position: Position,
        /// The call and its object.
        call: String,
    },
    /// The recorded calls and the model disagree.
    #[error("the model lost track at {position}: {detail}")]
    LostTrack {
        /// Number of the line.
        position: Position,
        /// What does not fit.
        detail: String,
    },
    /// All recorded calls together do not give the real folder.
    #[error("the recording does not give the real folder: {difference}")]
    Unfaithful {
        /// The first difference.
        difference: String,
    },
    /// `strace` did not start the program, or ended by itself.
    #[error("strace failed: {detail}")]
    Strace {
        /// What it said.
        detail: String,
    },
}

impl PowercutError {
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
