//! Suites over whole processes.
//!
//! - [`bench`]: the benchmark that drives any suite with this REST API, and the IPFS daemon's stand-in it uses.

pub mod bench;
