//! What the core needs from the world, and what the world may ask of a peer: object-safe traits.

pub mod browse_api;
pub mod cluster_api;
pub mod consensus;
pub mod datastore;
pub mod ipfs_connector;
pub mod members;
pub mod peer_set;
pub mod raft;
pub mod rpc;
pub mod swarm;

pub use browse_api::BrowseApi;
pub use cluster_api::{ClusterApi, MembershipApi};
pub use consensus::Consensus;
pub use datastore::Datastore;
pub use ipfs_connector::IpfsConnector;
pub use members::Members;
pub use peer_set::PeerSet;
pub use raft::{RaftAnswers, RaftCalls};
pub use rpc::{PeerCalls, Rpc};
pub use swarm::{BlockSource, Blocks, Broadcast, HeadsExchange, Network, SwarmListener};

use std::{future::Future, pin::Pin};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A boxed stream that may move between threads.
pub type BoxStream<'a, T> = Pin<Box<dyn futures_core::Stream<Item = T> + Send + 'a>>;
