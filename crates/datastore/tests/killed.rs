//! `kill -9` at any moment loses nothing that was acknowledged.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/stores.rs"]
mod support;

use cluster_core::ports::datastore::Durability;
use cluster_datastore::EngineKind;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use support::{numbers, open, write};

const ROUNDS: u32 = 10;
/// Set for the child process: which folder it writes to.
const FOLDER: &str = "CLUSTER_TEST_KILLED_FOLDER";
/// And with which engine.
const ENGINE: &str = "CLUSTER_TEST_KILLED_ENGINE";

#[test]
fn everything_acknowledged_is_there_after_a_kill_of_fjall() {
    kill_often(EngineKind::Fjall);
}

#[test]
fn everything_acknowledged_is_there_after_a_kill_of_sled() {
    kill_often(EngineKind::Sled);
}

fn kill_often(engine: EngineKind) {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_writes", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .env(ENGINE, engine.name())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Kill at another point of its work each time.
        let target = acknowledged + 50 + round * 37;
        while acknowledged < target {
            let line = lines.next().expect("the child goes on writing").unwrap();
            if let Some(number) = line.strip_prefix("stored ") {
                acknowledged = number.parse().unwrap();
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said between the last line read and its death counts as well.
        let rest = lines.map_while(Result::ok);
        for number in rest.filter_map(|line| line.strip_prefix("stored ")?.parse().ok()) {
            acknowledged = acknowledged.max(number);
        }
        let found = numbers(&*open(engine, folder.path()).unwrap());
        let stored = u32::try_from(found.len()).unwrap();
        assert_eq!(found, (1..=stored).collect::<Vec<_>>(), "round {round}: a prefix");
        assert!(stored >= acknowledged, "round {round}: {acknowledged} acknowledged, {stored} found");
    }
}

#[test]
#[ignore = "the child of everything_acknowledged_is_there_after_a_kill_of_…"]
fn child_that_writes() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let engine = EngineKind::parse(&std::env::var(ENGINE).unwrap()).unwrap();
    let store = open(engine, Path::new(&folder)).unwrap();
    let mut number = u32::try_from(numbers(&*store).len()).unwrap();
    loop {
        number += 1;
        let durability = if number.is_multiple_of(3) { Durability::Flushed } else { Durability::Lazy };
        write(&*store, number, durability);
        if durability == Durability::Flushed {
            println!("stored {number}");
        }
    }
}
