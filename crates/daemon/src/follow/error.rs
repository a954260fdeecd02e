//! Why something about a follower failed.

use crate::{
    config::{ConfigError, SourceUrlError},
    daemon::DaemonError,
    identity::IdentityError,
    init::PromptError,
    lock::LockCause,
    state::StateError,
};
use cluster_ipfs::KuboConfigError;
use std::{io, path::PathBuf, time::Duration};

/// Failure about a follower.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The name of the cluster cannot be a folder's.
    #[error(
        "{name:?} cannot be the name of a cluster here: it must be the name of a folder, without / and no dot in front"
    )]
    Name {
        /// What was given.
        name: String,
    },
    /// Nothing is there yet.
    #[error(
        "This cluster peer has not been initialized.\n\nRun \"{program} {name} init <template_URL>\" to initialize it."
    )]
    NotInitialized {
        /// Name of the program.
        program: &'static str,
        /// Name of the cluster.
        name: String,
    },
    /// Something is there already.
    #[error(
        "Configuration for this cluster already exists.\nPlease delete {} if you wish to re-initialize.",
        path.display()
    )]
    Exists {
        /// Its folder.
        path: PathBuf,
    },
    /// `init` was given no URL.
    #[error("configuration URL not provided")]
    NoUrl,
    /// What `init` was given is no URL, or the gateway is none.
    #[error("{what} is not good: {reason}; expected for instance {expected}")]
    Url {
        /// Which of both.
        what: &'static str,
        /// What is wrong.
        reason: SourceUrlError,
        /// How one looks.
        expected: &'static str,
    },
    /// A folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Folder {
        /// It.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The path of the socket cannot be written as an address.
    #[error("{} is not text in UTF-8, so no socket can be there: use another --config folder", path.display())]
    PathText {
        /// It.
        path: PathBuf,
    },
    /// A variable is not good.
    #[error("reading the environment: {0}")]
    Environment(#[source] ConfigError),
    /// The configuration is not good or cannot be had.
    #[error("reading the configurations in {}: {source}", path.display())]
    Config {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: ConfigError,
    },
    /// The identity is not good.
    #[error("loading identity: {0}")]
    Identity(#[from] IdentityError),
    /// The peer runs already, or another command works on the folder.
    #[error(
        "obtaining execution lock: lock {}: {}. The follower peer for \"{name}\" runs already, or another command works \
         on its folder; end it with: {program} {name} stop",
        path.display(), LockCause::Held
    )]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Name of the program.
        program: &'static str,
        /// Name of the cluster.
        name: String,
    },
    /// The lock cannot be had although nobody has it.
    #[error(
        "obtaining execution lock: lock {}: {cause}. Make sure that the folder is writable for the user running {program}.",
        path.display()
    )]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// Why.
        cause: LockCause,
        /// Name of the program.
        program: &'static str,
    },
    /// The IPFS daemon's address cannot be used.
    #[error("configuring the IPFS connector: {0}")]
    Ipfs(#[from] KuboConfigError),
    /// The IPFS daemon did not come.
    #[error("timed out waiting for IPFS to be available: {node}: {cause}")]
    NoIpfs {
        /// Its address.
        node: String,
        /// Its last failure.
        cause: String,
    },
    /// A signal came before the peer ran.
    #[error("{signal}: stopped before the peer had started")]
    Interrupted {
        /// Which one.
        signal: &'static str,
    },
    /// The system refuses threads or signal handlers.
    #[error("preparing the process: {0}")]
    Runtime(#[source] io::Error),
    /// The peer did not start or did not stop orderly.
    #[error("{0}")]
    Daemon(#[from] DaemonError),
    /// The stored pins cannot be read.
    #[error("reading the stored pins: {0}")]
    State(#[from] StateError),
    /// Nothing more can be written out.
    #[error("writing the pins: {0}")]
    Output(#[source] io::Error),
    /// The person did not answer.
    #[error("asking for confirmation: {0}")]
    Prompt(#[from] PromptError),
    /// The running peer cannot be stopped.
    #[error("stopping the peer: {0}")]
    Stop(#[source] io::Error),
    /// The running peer takes too long.
    #[error("the peer was told to stop, but process {pid} still runs after {}s: see its log", limit.as_secs())]
    StillRunning {
        /// Its process.
        pid: i32,
        /// How long was waited.
        limit: Duration,
    },
}
