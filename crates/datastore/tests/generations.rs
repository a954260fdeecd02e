//! Generations: flips, leftovers of interrupted ones, locks, engines.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_core::ports::datastore::{Batch, Datastore, Durability, StoreError, Tree};
use cluster_datastore::{BuildPurpose, EngineKind, Generations, OpenError, StoreOptions};
use std::{fs, path::Path};

const ENGINES: [EngineKind; 2] = [EngineKind::Fjall, EngineKind::Sled];

fn options(engine: EngineKind) -> StoreOptions {
    StoreOptions { engine, memory_budget: 16 * 1024 * 1024 }
}

fn put(store: &dyn Datastore, value: &str) {
    let mut batch = Batch::new();
    batch.put(Tree::Pins, "k", value);
    store.commit(batch, Durability::Flushed).unwrap();
}

fn get(root: &Path, engine: EngineKind) -> Option<String> {
    let generations = Generations::open(root, options(engine)).unwrap();
    let store = generations.current().unwrap();
    let value = store.snapshot().unwrap().get(Tree::Pins, b"k").unwrap();
    store.close().unwrap();
    value.map(|v| String::from_utf8(v).unwrap())
}

fn folders(root: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root)
        .unwrap()
        .map(|e| e.unwrap())
        .filter(|e| e.path().is_dir())
        .map(|e| e.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_finished_build_takes_the_place_of_the_current_generation() {
    for engine in ENGINES {
        let root = tempfile::tempdir().unwrap();
        let generations = Generations::open(root.path(), options(engine)).unwrap();
        let old = generations.current().unwrap();
        put(&*old, "old");
        let building = generations.build(BuildPurpose::Import { source: "pins.json".into() }).unwrap();
        put(&*building.store().unwrap(), "new");
        assert_eq!(folders(root.path()), ["1", "2"]);
        old.close().unwrap();
        building.finish().unwrap();
        drop((generations, old));
        assert_eq!(folders(root.path()), ["2"]);
        assert_eq!(get(root.path(), engine).as_deref(), Some("new"));
    }
}

#[test]
fn a_build_that_is_given_up_changes_nothing() {
    for engine in ENGINES {
        let root = tempfile::tempdir().unwrap();
        {
            let generations = Generations::open(root.path(), options(engine)).unwrap();
            let store = generations.current().unwrap();
            put(&*store, "old");
            let building = generations.build(BuildPurpose::Cleanup).unwrap();
            put(&*building.store().unwrap(), "new");
            drop(building);
            store.close().unwrap();
        }
        assert_eq!(folders(root.path()), ["1"]);
        assert_eq!(get(root.path(), engine).as_deref(), Some("old"));
    }
}

/// What a crash can leave at each step of a build and its flip.
#[test]
fn whatever_a_crash_leaves_the_next_start_has_the_old_or_the_new_state() {
    for engine in ENGINES {
        for (case, expected) in [("building", "old"), ("built", "old"), ("flipped", "new")] {
            let root = tempfile::tempdir().unwrap();
            {
                let generations = Generations::open(root.path(), options(engine)).unwrap();
                let store = generations.current().unwrap();
                put(&*store, "old");
                store.close().unwrap();
                let building =
                    generations.build(BuildPurpose::SnapshotInstall { source: "x".into() }).unwrap();
                put(&*building.store().unwrap(), "new");
            }
            let marker = root.path().join("2/BUILDING");
            match case {
                "building" => fs::write(&marker, "import\nfile\n\n").unwrap(),
                "built" => fs::remove_file(&marker).unwrap(),
                _ => {
                    fs::remove_file(&marker).unwrap();
                    fs::write(root.path().join("CURRENT"), "2\n").unwrap();
                }
            }
            assert_eq!(get(root.path(), engine).as_deref(), Some(expected), "{case}");
            assert_eq!(folders(root.path()).len(), 1, "{case}");
        }
    }
}

#[test]
fn a_resumable_build_is_kept_and_listed() {
    for engine in ENGINES {
        let root = tempfile::tempdir().unwrap();
        let purpose = BuildPurpose::RangeSync { source: "peer".into() };
        {
            let generations = Generations::open(root.path(), options(engine)).unwrap();
            let building = generations.build(purpose.clone()).unwrap();
            building.set_position("half").unwrap();
        }
        let generations = Generations::open(root.path(), options(engine)).unwrap();
        let found = generations.resumable().unwrap();
        assert_eq!(found, [(root.path().join("2"), purpose)]);
        let resumed = generations.resume(&found[0].0).unwrap();
        assert_eq!(resumed.position().unwrap().as_deref(), Some("half"));
        put(&*resumed.store().unwrap(), "whole");
        resumed.finish().unwrap();
        let store = generations.current().unwrap();
        assert_eq!(store.snapshot().unwrap().get(Tree::Pins, b"k").unwrap(), Some(b"whole".to_vec()));
        store.close().unwrap();
        assert_eq!(folders(root.path()), ["2"]);
    }
}

/// Makes a store that holds something precious.
fn fill(root: &Path, engine: EngineKind) {
    let generations = Generations::open(root, options(engine)).unwrap();
    let store = generations.current().unwrap();
    put(&*store, "precious");
    store.close().unwrap();
}

#[test]
fn a_lost_current_removes_nobodys_state() {
    for engine in ENGINES {
        let root = tempfile::tempdir().unwrap();
        fill(root.path(), engine);
        fs::remove_file(root.path().join("CURRENT")).unwrap();
        let lost = Generations::open(root.path(), options(engine)).unwrap_err();
        assert!(matches!(lost, OpenError::Store(StoreError::Damaged { .. })), "{lost}");
        fs::write(root.path().join("CURRENT"), "1\n").unwrap();
        assert_eq!(get(root.path(), engine).as_deref(), Some("precious"));
    }
}

#[test]
fn an_interrupted_first_start_is_no_obstacle() {
    for engine in ENGINES {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("1")).unwrap();
        assert_eq!(get(root.path(), engine), None);
        // The engine's files were begun, the marker that ends their creation is missing.
        fs::remove_file(root.path().join("1/ENGINE")).unwrap();
        let begun = if engine == EngineKind::Fjall { "1/db/version" } else { "1/sled/conf" };
        fs::remove_file(root.path().join(begun)).unwrap();
        assert_eq!(get(root.path(), engine), None);
        assert_eq!(fs::read_to_string(root.path().join("1/ENGINE")).unwrap(), format!("{engine}\n"));
    }
}

#[test]
fn a_lost_engine_marker_does_not_wipe_rows() {
    for engine in ENGINES {
        let root = tempfile::tempdir().unwrap();
        fill(root.path(), engine);
        fs::remove_file(root.path().join("1/ENGINE")).unwrap();
        let lost =
            Generations::open(root.path(), options(engine)).unwrap().current().map(|_| ()).unwrap_err();
        assert!(matches!(lost, OpenError::Store(StoreError::Damaged { .. })), "{lost}");
    }
}

#[test]
fn a_second_opener_another_engine_and_a_wrong_current_are_told() {
    for engine in ENGINES {
        let root = tempfile::tempdir().unwrap();
        let generations = Generations::open(root.path(), options(engine)).unwrap();
        generations.current().unwrap().close().unwrap();
        let second = Generations::open(root.path(), options(engine)).unwrap_err();
        assert!(matches!(second, OpenError::Store(StoreError::Locked { .. })), "{second}");
        drop(generations);
        let stranger = if engine == EngineKind::Fjall { EngineKind::Sled } else { EngineKind::Fjall };
        fs::write(root.path().join("1/ENGINE"), format!("{stranger}\n")).unwrap();
        let other =
            Generations::open(root.path(), options(engine)).unwrap().current().map(|_| ()).unwrap_err();
        assert!(
            other.to_string().contains(stranger.name()) && other.to_string().contains(engine.name()),
            "{other}"
        );
        fs::write(root.path().join("CURRENT"), "7\n").unwrap();
        let wrong = Generations::open(root.path(), options(engine)).unwrap_err();
        assert!(matches!(wrong, OpenError::Store(StoreError::Damaged { .. })), "{wrong}");
    }
}
