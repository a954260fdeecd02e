//! `cargo run -p cluster-tests --bin powercut`: power cuts and `kill -9` for real peers.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    cluster_tests::powercut::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("error: power cuts need strace, and so Linux");
    ExitCode::FAILURE
}
