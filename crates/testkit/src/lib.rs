//! What the suites share: real peers and real Kubo daemons on free loopback ports.

pub mod kubo;
pub mod service;
