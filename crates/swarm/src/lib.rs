//! The private swarm: transport, gossip, routing, block exchange and calls between peers.
//!
//! Everything here is decided by bytes that peers of the Go suite send and accept; the sections named in comments
//! are those of the wire-protocol reference.

mod bitswap;
mod open_streams;
mod rpc;

pub use bitswap::{BITSWAP_PROTOCOLS, Bitswap, BitswapCounters};
pub use open_streams::{BoxedStream, Duplex, OpenError, OpenStreams};
