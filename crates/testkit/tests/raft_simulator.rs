//! The simulated Raft cluster: a short slice of `cargo simulate-raft`, and proof that its checks see.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_testkit::{raft_simulator, seeds::run_many, simulator::Trace};
use std::{path::Path, process::Command};

/// Seeds in the gate; `cargo simulate-raft` plays 2,000.
const SEEDS: u64 = 200;

#[test]
fn what_clients_are_told_is_linearizable() {
    let play = |seed| raft_simulator::run(seed, Trace::Off);
    let summary = run_many(0..SEEDS, play, |_| ()).unwrap_or_else(|failed| {
        panic!("{}\nplay it again: cargo simulate-raft --seed {}", failed.reason, failed.seed)
    });
    println!("{SEEDS} seeds: {summary}");
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [7, 8, 9] {
        let play = || raft_simulator::run(seed, Trace::Off).unwrap();
        assert_eq!(play(), play());
    }
}

/// Two of the deliberate defects; `cargo simulate-raft --mutations` tries all.
#[test]
fn deliberate_defects_are_caught() {
    let output = Command::new(env!("CARGO_BIN_EXE_simulate-raft"))
        .args(["--mutations", "--only", "count-unanswered,ready-at-once"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .output()
        .unwrap();
    let (shown, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shown}{errors}");
    assert!(shown.contains("2 of 2 defects caught"), "{shown}{errors}");
    println!("{shown}");
}
