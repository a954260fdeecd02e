//! Plays the simulated Raft cluster: many seeds, one seed again, or every deliberate defect.

use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    cluster_testkit::raft_simulator::SIMULATION.main()
}
