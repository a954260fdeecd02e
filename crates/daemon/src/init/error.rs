//! Why `init` failed.

use super::PromptError;
use crate::{
    config::{ConfigError, SourceUrlError},
    identity::IdentityError,
    lock::LockError,
};
use cluster_core::secret::SecretError;
use std::{io, path::PathBuf};

/// Failure of `init`; the texts say what was being done first, as all commands do. None holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// No such consensus.
    #[error("choosing consensus: {0}")]
    Consensus(Choice),
    /// No such datastore.
    #[error("choosing datastore: {0}")]
    Datastore(Choice),
    /// No such format.
    #[error("choosing format: {0}")]
    Format(Choice),
    /// The place of a configuration kept elsewhere is no URL.
    #[error(
        "choosing configuration: what is given as its place is no URL such as https://example.org/service.json: {0}"
    )]
    Source(#[from] SourceUrlError),
    /// One of the peers' addresses is not good.
    #[error("parsing --peers: {found:?} is not a multiaddress that ends in /p2p/<peer ID>")]
    Peer {
        /// What stands there.
        found: String,
    },
    /// Another process works on the folder.
    #[error("obtaining execution lock: {0}")]
    Lock(#[from] LockError),
    /// The folder holds what must not be written over.
    #[error("writing configuration: {0}")]
    Existing(#[from] ConfigError),
    /// A variable is not good.
    #[error("reading the environment: {0}")]
    Environment(#[source] ConfigError),
    /// The person did not answer.
    #[error("asking for confirmation: {0}")]
    Prompt(#[from] PromptError),
    /// The person gave no secret.
    #[error("reading cluster secret: {0}")]
    AskSecret(#[source] PromptError),
    /// The secret is not one.
    #[error("reading cluster secret: {0}")]
    Secret(#[from] SecretError),
    /// The system gives no random bytes.
    #[error("generating cluster secret: {0}")]
    Random(#[source] io::Error),
    /// The system has no free port.
    #[error("choosing free ports: {0}")]
    Ports(#[source] io::Error),
    /// The identity is not good or cannot be written.
    #[error("creating identity: {0}")]
    Identity(#[from] IdentityError),
    /// A file or folder cannot be written.
    #[error("writing {}: {source}", path.display())]
    Write {
        /// It.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Why a choice cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Choice {
    /// There is no such thing.
    #[error("{found:?} is unknown; choose {known}")]
    Unknown {
        /// What was asked for.
        found: String,
        /// What there is.
        known: &'static str,
    },
}
