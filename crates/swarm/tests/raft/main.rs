//! Raft over the swarm: real hosts on loopback, peers that keep to no rule, and a cluster of three.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod calls;
mod cluster;
mod harness;
mod hostile;
