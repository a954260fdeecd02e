//! Why a peer did not start, or did not stop orderly.

use crate::state::StateError;
use cluster_api::BindError;
use cluster_consensus::raft::StartRaftError;
use cluster_core::{ErrorKind, Multiaddr, ports::datastore::StoreError};
use cluster_ipfs::KuboConfigError;
use cluster_swarm::SwarmError;
use std::{path::PathBuf, time::Duration};

/// Failure of a peer.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The system refuses threads or signal handlers.
    #[error("preparing the process: {0}")]
    Runtime(std::io::Error),
    /// The stored state cannot be used.
    #[error("opening the store: {0}")]
    State(#[from] StateError),
    /// The store failed at the end.
    #[error("closing the store: {0}")]
    Store(#[from] StoreError),
    /// Raft does not start.
    #[error("starting raft: {0}")]
    Raft(#[from] StartRaftError),
    /// The IPFS daemon's address cannot be used.
    #[error("configuring the IPFS connector: {0}")]
    Ipfs(#[from] KuboConfigError),
    /// The swarm cannot start.
    #[error("starting the swarm: {0}")]
    Swarm(#[from] SwarmError),
    /// The list of forgotten peers cannot be read.
    #[error("reading {}: {cause}", path.display())]
    Forgotten {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A port cannot be taken.
    #[error("starting the REST API: {0}")]
    Bind(#[from] BindError),
    /// An address of the API is of a kind that is not built yet.
    #[error(
        "starting the REST API: {address} is not in this version yet: use an address such as /ip4/127.0.0.1/tcp/9094"
    )]
    Address {
        /// The address.
        address: Multiaddr,
    },
    /// Two numbers for Prometheus have one name: a defect of this program.
    #[error("preparing metrics: {0}")]
    Numbers(#[from] prometheus::Error),
    /// Not everything ended in time.
    #[error("stopping: something did not end within {}s", limit.as_secs())]
    Stop {
        /// Time given.
        limit: Duration,
    },
}

impl DaemonError {
    /// Classifies the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Runtime(_)
            | Self::State(_)
            | Self::Raft(_)
            | Self::Ipfs(_)
            | Self::Bind(_)
            | Self::Swarm(_)
            | Self::Forgotten { .. }
            | Self::Address { .. }
            | Self::Numbers(_)
            | Self::Stop { .. } => ErrorKind::Fatal,
        }
    }
}
