//! Why a state command failed.

use super::{BackupError, OnlineExportError};
use crate::config::ChangeConsensusError;
use cluster_api_types::ConvertError;
use cluster_consensus::raft::RecoverError;
use cluster_core::{pin::ReplicationError, ports::datastore::StoreError};
use cluster_datastore::OpenError;
use std::path::PathBuf;

/// Failure of opening or changing the stored state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed.
    #[error("{0}{cause}", cause = Cause(.0))]
    Store(#[from] StoreError),
    /// The store of a member of a Raft cluster is damaged: a backup would bring back less than the member acknowledged.
    #[error(
        "the store is damaged at {} ({detail}), and the peer agrees by Raft, so it neither starts nor votes. The other members have everything: run \
         `cluster-ctl peers rm` with this peer's ID on one of them, then `state cleanup` here, and start with --bootstrap and the address of a member. \
         Do not restore a backup: it lacks what was acknowledged since", path.display()
    )]
    DamagedMember {
        /// The file, or the folder when the file is not known.
        path: PathBuf,
        /// What does not fit.
        detail: String,
    },
    /// A backup cannot be written or taken back.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A running peer does not give out its pinset.
    #[error(transparent)]
    Online(#[from] OnlineExportError),
    /// The store belongs to another peer.
    #[error(
        "the store at {path} belongs to peer {bound}, but this folder's identity is {found}: put the right identity.json back, or move the pins with `state export` and `state import`"
    )]
    OtherPeer {
        /// Folder of the store.
        path: PathBuf,
        /// Whose store it is.
        bound: String,
        /// Who opens it.
        found: String,
    },
    /// The configuration is kept elsewhere.
    #[error(
        "the configuration is what {url} serves: change its consensus there, and in a folder with a configuration of its own convert the state"
    )]
    Sourced {
        /// Where.
        url: String,
    },
    /// The configuration cannot be changed.
    #[error(
        "the state is converted, but not the configuration; give the command again once this is mended: {0}"
    )]
    Configuration(#[source] ChangeConsensusError),
    /// There is no Raft.
    #[error("this peer's consensus is not raft: there is no majority to lose, and nothing to recover")]
    NoRaft,
    /// A majority is not recovered from.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The store was kept by another consensus.
    #[error(
        "the state in {} was kept by {kept_by} consensus, and the configuration says {wanted}: put the section consensus.{kept_by} \
         back, or take the pins over with `state convert {wanted}`", path.display()
    )]
    OtherConsensus {
        /// Folder of the store.
        path: PathBuf,
        /// By which.
        kept_by: &'static str,
        /// What is configured.
        wanted: &'static str,
    },
    /// State of the Go suite lies beside an empty store of ours.
    #[error(
        "{folder} holds the state of a Go peer, and the store of this one is empty. If other peers of the cluster run: \
         `cluster-service daemon --join-empty` takes the pinset from them. If none does: write the pins out with the Go \
         program, `ipfs-cluster-service state export -f pins.json`, then `cluster-service state import pins.json` here. \
         To start without pins, move the folder away"
    )]
    GoState {
        /// The Go suite's folder.
        folder: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The system refuses a thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] std::io::Error),
    /// The thread that reads the input broke down.
    #[error("reading the input broke down, nothing was changed; the log has details")]
    Reader,
    /// The input is not a sequence of JSON objects.
    #[error("object {number} of the input cannot be read, nothing was changed: {source}")]
    Json {
        /// Which object, from 1.
        number: u64,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// An object of the input is not a pin.
    #[error("object {number} of the input is not a pin, nothing was changed: {source}")]
    Pin {
        /// Which object, from 1.
        number: u64,
        /// What is wrong.
        source: ConvertError,
    },
    /// The replication factors of a pin, as given or as the flags make them, contradict each other.
    #[error(
        "object {number} of the input has replication factors that cannot be, nothing was changed: {source}"
    )]
    Replication {
        /// Which object, from 1.
        number: u64,
        /// Which rule they break.
        source: ReplicationError,
    },
    /// Too large a pin.
    #[error(
        "object {number} of the input takes {size} bytes, but a pin may take {limit}; nothing was changed"
    )]
    TooLarge {
        /// Which object, from 1.
        number: u64,
        /// Bytes of its stored form.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Derived rows do not agree with a recount.
    #[error("{mismatches} rows do not agree with a recount")]
    Check {
        /// How many.
        mismatches: u64,
    },
}

/// Appends the cause of a store error, which its own text leaves out.
struct Cause<'a>(&'a StoreError);

impl std::fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match std::error::Error::source(self.0) {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl StateError {
    /// Returns the error as a member of a Raft cluster has to tell it.
    pub(super) fn of_member(self) -> Self {
        match self {
            Self::Store(StoreError::Damaged { path, detail })
            | Self::Open(OpenError::Store(StoreError::Damaged { path, detail })) => {
                Self::DamagedMember { path, detail }
            }
            other => other,
        }
    }
}
