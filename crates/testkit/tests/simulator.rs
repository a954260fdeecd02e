//! The simulated cluster: a short slice of `cargo simulate`, and proof that its oracle sees.

use cluster_testkit::{mutants::check_caught, simulator::SIMULATION};

#[test]
fn replicas_keep_every_acknowledged_operation_and_converge() {
    SIMULATION.check(500);
}

#[test]
fn a_seed_replays_exactly() {
    SIMULATION.check_replay(&[7]);
}

/// Two of the deliberate defects; `cargo simulate --mutations` tries all.
#[test]
fn deliberate_defects_are_caught() {
    check_caught(env!("CARGO_BIN_EXE_simulate"), &["acknowledge-before-flush", "drop-tombstone"]);
}
