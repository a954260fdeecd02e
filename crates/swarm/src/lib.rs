//! The private swarm: transport, gossip, routing, block exchange and calls between peers.
//!
//! Everything here is decided by bytes that peers of the Go suite send and accept; the sections named in comments
//! are those of the wire-protocol reference.

mod bitswap;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod host;
mod open_streams;
mod raft;
mod rpc;
mod swarm;

#[cfg(test)]
mod recording;

pub use bitswap::{BITSWAP_PROTOCOLS, Bitswap, BitswapCounters};
pub use host::{
    ConnectionManagerConfig, Counter, HTTP_PROTOCOL, Host, HostHandle, HostParts, HttpHost, HttpHostConfig,
    InboundStreams, OWN_RPC_PROTOCOL, PubsubConfig, RAFT_CONTROL_PROTOCOL, RAFT_LOG_PROTOCOL,
    RAFT_SNAPSHOT_PROTOCOL, RPC_PROTOCOL, ResourceLimits, STREAM_PROTOCOLS, SwarmConfig, SwarmCounters,
    SwarmError, TakeStream, heads_topic,
};
pub use open_streams::{BoxedStream, Duplex, OpenError, OpenStreams};
pub use swarm::{Swarm, SwarmParts, Trusted};
