//! What can go wrong with the store.

use crate::ErrorKind;
use std::path::PathBuf;

/// Failure of the store. Each variant names the file or folder and, in its text, the remedy.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No space is left where the store lives.
    #[error("the disk of {path} is full: free some space; the peer goes on by itself then")]
    DiskFull {
        /// Folder of the store.
        path: PathBuf,
    },
    /// A file does not hold what was once written to it.
    #[error(
        "the store is damaged at {path} ({detail}): restore a backup, or export what can be read, run `state cleanup` and sync from other peers"
    )]
    Damaged {
        /// The file, or the folder when the file is not known.
        path: PathBuf,
        /// What does not fit.
        detail: String,
    },
    /// What Raft keeps in the store is not what was once written. The peer must not vote with it: what it acknowledged may be
    /// missing, and neither a backup nor the rows that can be read would bring that back.
    #[error(
        "what this peer keeps of Raft is damaged ({detail}), so it neither starts nor votes; nothing was changed. The other members have everything: \
         run `cluster-ctl peers rm` with this peer's ID on one of them, then `state cleanup` here, and start with --bootstrap and the address of a \
         member. Do not restore a backup: it lacks what was acknowledged since"
    )]
    DamagedRaft {
        /// Which row, and what does not fit.
        detail: String,
    },
    /// The store was written by a later version.
    #[error(
        "the store at {path} has format {found}, but this version reads up to {supported}: install the newer version"
    )]
    NewerFormat {
        /// Folder of the store.
        path: PathBuf,
        /// Format found.
        found: u32,
        /// Newest format this version knows.
        supported: u32,
    },
    /// Another process holds the folder.
    #[error("the store at {path} is in use by another process: stop it first")]
    Locked {
        /// Folder of the store.
        path: PathBuf,
    },
    /// An earlier write failed; writes are refused until recovery succeeds.
    #[error("the store at {path} takes no writes since an earlier one failed ({cause}): try again later")]
    ReadOnly {
        /// Folder of the store.
        path: PathBuf,
        /// What failed first.
        cause: String,
    },
    /// A long snapshot is open and this engine cannot write beside it.
    #[error("the store is being exported: try again later")]
    Busy,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The operating system reported another error.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}

impl StoreError {
    /// Classifies the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::DiskFull { .. } | Self::ReadOnly { .. } | Self::Busy => ErrorKind::Busy,
            Self::Damaged { .. }
            | Self::DamagedRaft { .. }
            | Self::NewerFormat { .. }
            | Self::Locked { .. } => ErrorKind::Fatal,
            Self::Closed => ErrorKind::Unavailable,
            Self::Io { .. } => ErrorKind::Internal,
        }
    }

    /// Wraps an I/O error, telling a full disk apart.
    pub fn io(action: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Io { action, path, source },
        }
    }
}
