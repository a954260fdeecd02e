//! One owner at a time.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/stores.rs"]
mod support;

use cluster_core::ports::datastore::StoreError;
use cluster_datastore::{Generations, OpenError, StoreOptions};
use std::path::Path;
use std::process::Command;
use support::{ON_DISK, open};

/// Set for the child process: which folder it tries to open.
const FOLDER: &str = "CLUSTER_TEST_LOCKED_FOLDER";

fn is_locked<T>(answer: Result<T, OpenError>) -> bool {
    matches!(answer, Err(OpenError::Store(StoreError::Locked { .. })))
}

#[test]
fn a_second_handle_in_this_process_is_refused_until_the_first_is_gone() {
    for engine in ON_DISK {
        let folder = tempfile::tempdir().unwrap();
        let first = open(engine, folder.path()).unwrap();
        assert!(is_locked(open(engine, folder.path())), "{engine}");
        let snapshot = first.snapshot().unwrap();
        first.close().unwrap();
        drop(first);
        assert!(is_locked(open(engine, folder.path())), "{engine}: a snapshot still reads the files");
        drop(snapshot);
        open(engine, folder.path()).unwrap();
    }
}

#[test]
fn another_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let generations = Generations::open(folder.path(), StoreOptions::default()).unwrap();
    let held = run_child(folder.path());
    assert!(held.contains("store is locked"), "{held}");
    drop(generations);
    let free = run_child(folder.path());
    assert!(free.contains("store is free"), "{free}");
}

fn run_child(folder: &Path) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_opens", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
#[ignore = "the child of another_process_is_refused"]
fn child_that_opens() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let locked = is_locked(Generations::open(Path::new(&folder), StoreOptions::default()));
    println!("store is {}", if locked { "locked" } else { "free" });
}
