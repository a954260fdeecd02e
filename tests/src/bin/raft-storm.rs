//! `cargo raft-storm`: kills and partitions for peers that agree by Raft.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    cluster_tests::raft_storm::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("error: partitions need network namespaces, and so Linux");
    ExitCode::FAILURE
}
