//! `kubo-stub`: answers the IPFS daemon's RPC calls a cluster peer makes, after a fixed delay, and counts them.

use std::process::ExitCode;

fn main() -> ExitCode {
    cluster_tests::bench::stub_main()
}
