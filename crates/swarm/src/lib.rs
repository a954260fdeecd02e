//! The private swarm: transport, gossip, routing, block exchange and calls between peers.
//!
//! Everything here is decided by bytes that peers of the Go suite send and accept; the sections named in comments
//! are those of the wire-protocol reference.

mod bitswap;
// The host joins these.
#[allow(dead_code)]
mod open_streams;
#[allow(dead_code, unused_imports)]
mod rpc;
