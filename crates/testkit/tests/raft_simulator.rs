//! The simulated Raft cluster: a short slice of `cargo simulate-raft`, and proof that its checks see.

use cluster_testkit::{mutants::check_caught, raft_simulator::SIMULATION};

#[test]
fn what_clients_are_told_is_linearizable() {
    SIMULATION.check(200);
}

#[test]
fn a_seed_replays_exactly() {
    SIMULATION.check_replay(&[7, 8, 9]);
}

/// Two of the deliberate defects; `cargo simulate-raft --mutations` tries all.
#[test]
fn deliberate_defects_are_caught() {
    check_caught(env!("CARGO_BIN_EXE_simulate-raft"), &["count-unanswered", "ready-at-once"]);
}
