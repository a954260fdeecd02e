//! Raft with three members in one process: the port's suite, and what only a cluster shows.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cluster;
mod conformance;
mod failing;
mod fault;
mod members;
mod reading;
mod recovery;
mod restarts;
mod wire;
