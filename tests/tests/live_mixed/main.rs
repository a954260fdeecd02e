//! Peers of Go IPFS Cluster 1.1.6 and of ours in one cluster, on private addresses, with real Kubos.
//!
//! Run by `cargo live`, with `CLUSTER_GO_BIN` naming the folder of the Go programs; without it every test here says
//! "skipped". Further variables: `CLUSTER_LIVE_SEED` (the first seed, default 1), `CLUSTER_LIVE_SEEDS` (how many,
//! default 1), `CLUSTER_LIVE_USUAL_SEEDS` (how many with the intervals of `init`, default 1), `CLUSTER_LIVE_MINUTES` (how long the gossip is watched, default 2).
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod agreement;
mod book;
mod chaos;
mod followed;
mod meshes;
mod recorded;
mod relayed;
mod settled;
mod soak;
mod without_a_peer;

/// Reads a number that may be given.
fn number(variable: &str, default: u64) -> u64 {
    let Some(text) = std::env::var_os(variable) else { return default };
    text.to_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{variable} is not a number"))
}
