//! Suites over whole processes.
//!
//! - [`bench`]: the benchmark that drives any suite with this REST API, and the IPFS daemon's stand-in it uses.
//! - [`powercut`]: power cuts and `kill -9` for real peers.

pub mod bench;
#[cfg(target_os = "linux")]
pub mod powercut;
