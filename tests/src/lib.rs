//! Suites over whole processes.
//!
//! - [`bench`]: the benchmark that drives any suite with this REST API, and the IPFS daemon's stand-in it uses.
//! - [`calls`]: calls between peers, written by hand.
//! - [`cluster`]: several peers, each beside an IPFS daemon of its own.
//! - [`follower`]: `cluster-follow` beside an IPFS daemon of its own.
//! - [`http`]: the least of an HTTP client, for what the typed one does not show.
//! - [`mixed`]: peers of the Go suite and of ours in one cluster.
//! - [`powercut`]: power cuts and `kill -9` for real peers.
//! - [`raft_storm`]: kills and partitions for peers that agree by Raft.
//! - [`replay`]: what a Go peer said in a live cluster, said again.
//! - [`world`]: one peer beside one IPFS daemon, with a client.

pub mod bench;
pub mod calls;
pub mod cluster;
pub mod follower;
pub mod guide;
pub mod http;
#[cfg(target_os = "linux")]
pub mod mixed;
#[cfg(target_os = "linux")]
pub mod powercut;
#[cfg(target_os = "linux")]
pub mod raft_storm;
pub mod replay;
pub mod world;
