//! Why a backup was not written or taken back.

use std::path::PathBuf;

/// Failure of a backup. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is something in the folder that was to hold it.
    #[error("{path} is not empty: name a folder that is new, or remove what is in it")]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// There is no manifest.
    #[error("{path} does not exist: this is no backup, or one that was not finished")]
    Missing {
        /// Where the manifest was looked for.
        path: PathBuf,
    },
    /// The manifest is none.
    #[error("{path} is not the manifest of a backup: {source}")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A later version wrote it.
    #[error("{path} was written by a later version ({written_by}): install that one")]
    Newer {
        /// The manifest.
        path: PathBuf,
        /// Program and version.
        written_by: String,
    },
    /// It is another peer's.
    #[error(
        "the backup {path} is of peer {bound}, but this folder's identity is {found}: put the identity.json of that peer back, or move the pins with `state export` and `state import`"
    )]
    OtherPeer {
        /// The backup.
        path: PathBuf,
        /// Whose state it is.
        bound: String,
        /// Whose folder this is.
        found: String,
    },
    /// The manifest names a file elsewhere.
    #[error("the manifest in {folder} names the file {name:?}, which is not one beside it")]
    Name {
        /// Where the manifest is.
        folder: PathBuf,
        /// What it names.
        name: String,
    },
    /// A file is too short or too long.
    #[error(
        "{path} has {found} bytes, but the manifest says {expected}; nothing was changed: take another backup"
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// Bytes in the manifest.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// A file holds something else than was written.
    #[error(
        "{path} is damaged: its checksum is not that of the manifest; nothing was changed: take another backup"
    )]
    Checksum {
        /// The file.
        path: PathBuf,
    },
    /// A row cannot be read.
    #[error("{path} is damaged before byte {position}; nothing was changed: take another backup")]
    Row {
        /// The file.
        path: PathBuf,
        /// Bytes read.
        position: u64,
    },
    /// There are not as many rows as the manifest says.
    #[error("{path} holds {found} rows, but the manifest says {expected}; nothing was changed")]
    Rows {
        /// The backup.
        path: PathBuf,
        /// Rows in the manifest.
        expected: u64,
        /// Rows there are.
        found: u64,
    },
}
