//! The simulated cluster: a short slice of `cargo simulate`, and proof that its oracle sees.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_testkit::simulator::{self, Trace};
use std::{path::Path, process::Command};

/// Seeds in the gate; `cargo simulate` plays 10,000.
const SEEDS: u64 = 500;

#[test]
fn replicas_keep_every_acknowledged_operation_and_converge() {
    let summary = simulator::run_many(0..SEEDS, |_| ()).unwrap_or_else(|failed| {
        panic!("{}\nplay it again: cargo simulate --seed {}", failed.reason, failed.seed)
    });
    println!("{SEEDS} seeds: {summary}");
}

#[test]
fn a_seed_replays_exactly() {
    let play = || format!("{}", simulator::run(7, Trace::Off).unwrap());
    assert_eq!(play(), play());
}

/// Two of the deliberate defects; `cargo simulate --mutations` tries all.
#[test]
fn deliberate_defects_are_caught() {
    let output = Command::new(env!("CARGO_BIN_EXE_simulate"))
        .args(["--mutations", "--only", "acknowledge-before-flush,drop-tombstone"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .output()
        .unwrap();
    let (shown, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shown}{errors}");
    assert!(shown.contains("2 of 2 defects caught"), "{shown}{errors}");
    println!("{shown}");
}
