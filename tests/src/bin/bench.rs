//! `cargo bench-suite`: measures whole peers through their REST API (see `docs/benchmarks.md`).

use std::process::ExitCode;

fn main() -> ExitCode {
    cluster_tests::bench::main()
}
