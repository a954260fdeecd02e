//! The libp2p host of the private swarm.

mod address_book;
mod bandwidth;
mod behaviour;
mod config;
mod counters;
mod descriptors;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod gossip;
mod handle;
mod handshake_alarm;
mod http_host;
mod inbound_gate;
mod mdns;
mod own_addresses;
mod own_port;
mod peerstore;
mod routing;
mod security;
mod shared;
mod start;
mod streams;
mod topic_alarm;
mod transport;
#[cfg(test)]
mod vectors;
mod worker;

pub use config::{ConnectionManagerConfig, PubsubConfig, ResourceLimits, SwarmConfig};
pub use counters::{Counter, SwarmCounters};
pub use error::SwarmError;
pub use gossip::heads_topic;
pub use handle::HostHandle;
pub(crate) use handle::STOP_LIMIT;
pub use http_host::{HTTP_PROTOCOL, HttpHost, HttpHostConfig, TakeStream};
pub use start::{Host, HostParts};
pub(crate) use streams::STREAM_PROTOCOLS_WITH_RAFT;
pub use streams::{
    InboundStreams, OWN_RPC_PROTOCOL, RAFT_CONTROL_PROTOCOL, RAFT_LOG_PROTOCOL, RAFT_SNAPSHOT_PROTOCOL,
    RPC_PROTOCOL, STREAM_PROTOCOLS,
};
