//! Why a command failed.

use crate::{
    config::{ConfigError, ConvertError, OpenApiError},
    daemon::DaemonError,
    identity::IdentityError,
    init::{InitError, PromptError},
    lock::LockError,
    state::{OnlineExportError, StateError},
};

/// Failure of a command. Each text starts with what was being done.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Another process works on the folder.
    #[error("obtaining execution lock: {0}")]
    Lock(#[from] LockError),
    /// The same, and whoever has the lock does not give out the pinset either.
    #[error("obtaining execution lock: {lock} The pinset was asked of the REST API as well: {why}")]
    LockedExport {
        /// The lock.
        lock: LockError,
        /// Why the API did not give it.
        why: OnlineExportError,
    },
    /// The configuration is not good.
    #[error("loading configurations: {0}")]
    Config(#[from] ConfigError),
    /// The configuration cannot be written in the other notation.
    #[error("converting the configuration: {0}")]
    Convert(#[from] ConvertError),
    /// There is nobody to read what is printed.
    #[error("writing standard output: {source}")]
    Print {
        /// The system's answer.
        source: std::io::Error,
    },
    /// The identity is not good.
    #[error("loading identity: {0}")]
    Identity(#[from] IdentityError),
    /// An API would be open to the network.
    #[error("checking the configuration: {0}")]
    OpenApi(#[from] OpenApiError),
    /// `init` failed.
    #[error("{0}")]
    Init(InitError),
    /// The person did not answer.
    #[error("asking for confirmation: {0}")]
    Prompt(#[from] PromptError),
    /// A peer to join is not named by a multiaddress.
    #[error(
        "parsing --bootstrap: {address:?}: {reason}; expected a multiaddress such as /ip4/192.0.2.1/tcp/9096/p2p/<peer ID>"
    )]
    Bootstrap {
        /// What was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The stored state cannot be used or changed.
    #[error("{doing}: {error}")]
    State {
        /// What was being done.
        doing: &'static str,
        /// What went wrong.
        error: StateError,
    },
    /// There is no Merkle-CRDT; in the words of the reference.
    #[error(": crdt subcommands can only be run on peers initialized with crdt consensus")]
    NoCrdt,
    /// The peer did not start or did not stop orderly.
    #[error("{0}")]
    Daemon(#[from] DaemonError),
}
