//! Files with changed bytes: an error when opening or reading, never a panic, never a wrong answer.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/stores.rs"]
mod support;

use cluster_core::ports::datastore::{Cursor, Durability, MAX_PAGE, StoreError, Tree};
use cluster_datastore::{EngineKind, OpenError};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use support::{ON_DISK, copy_folder, open, value_of, write};
use tempfile::TempDir;

const ROWS: u32 = 400;

fn filled(engine: EngineKind) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = open(engine, folder.path()).unwrap();
    for number in 0..ROWS {
        write(&*store, number, Durability::Lazy);
    }
    store.close().unwrap();
    folder
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Reads everything in all ways there are; an error is an answer, a wrong row is not.
fn read_all(engine: EngineKind, folder: &Path) -> Result<(), OpenError> {
    let store = open(engine, folder)?;
    let snapshot = store.snapshot()?;
    let mut cursor = Cursor::all(Tree::Pins);
    let mut next = 0_u32;
    while !cursor.is_done() {
        for (key, value) in cursor.next_page_of(&*snapshot, MAX_PAGE)? {
            assert_eq!(key, next.to_be_bytes());
            assert_eq!(value, value_of(next));
            next += 1;
        }
    }
    assert_eq!(next, ROWS, "rows are missing");
    for number in (0..ROWS).step_by(50) {
        let row = snapshot.get(Tree::Pins, &number.to_be_bytes())?;
        assert_eq!(row, Some(value_of(number)));
        let state = snapshot.get(Tree::Tracker, &number.to_be_bytes())?;
        assert_eq!(state.as_deref(), Some(&b"state"[..]));
    }
    Ok(())
}

#[test]
fn changed_bytes_in_any_file_are_an_error_or_make_no_difference() {
    ON_DISK.into_iter().for_each(change_bytes);
}

fn change_bytes(engine: EngineKind) {
    let image = filled(engine);
    read_all(engine, image.path()).unwrap();
    let mut files = Vec::new();
    let part = if engine == EngineKind::Fjall { "db/keyspaces" } else { "sled" };
    files_below(&image.path().join(part), &mut files);
    files.sort();
    let (mut errors, mut unharmed) = (0, 0);
    for file in files {
        let name = file.strip_prefix(image.path()).unwrap();
        let bytes = fs::read(&file).unwrap();
        // Without the zeroes that are there for what is still to come.
        let len = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        for at in [
            0,
            3,
            7,
            20,
            33,
            60,
            len / 8,
            len / 4,
            len / 3,
            len / 2,
            len / 4 * 3,
            len - len.min(300),
            len - len.min(40),
            len.saturating_sub(1),
        ] {
            if at >= len {
                continue;
            }
            let copy = tempfile::tempdir().unwrap();
            copy_folder(image.path(), copy.path());
            let harmed = copy.path().join(name);
            let mut bytes = fs::read(&harmed).unwrap();
            bytes[at] ^= 0x55;
            fs::write(&harmed, bytes).unwrap();
            match catch_unwind(AssertUnwindSafe(|| read_all(engine, copy.path()))) {
                Ok(Ok(())) => unharmed += 1,
                Ok(Err(OpenError::Store(StoreError::Damaged { .. }))) => errors += 1,
                Ok(Err(other)) => panic!("{engine}: {} at {at}: not called damage: {other}", name.display()),
                Err(_) => panic!("{engine}: {} at {at}: a panic or a wrong answer", name.display()),
            }
        }
    }
    println!("{engine}: {errors} damages told, {unharmed} made no difference");
    assert!(errors > if engine == EngineKind::Fjall { 20 } else { 3 });
}

#[test]
fn a_missing_or_short_table_is_damage() {
    let image = filled(EngineKind::Fjall);
    let mut files = Vec::new();
    files_below(&image.path().join("db/keyspaces"), &mut files);
    let tables: Vec<_> =
        files.into_iter().filter(|file| file.parent().unwrap().ends_with("tables")).collect();
    assert!(!tables.is_empty());
    for table in tables {
        let name = table.strip_prefix(image.path()).unwrap();
        for keep in [None, Some(0), Some(100)] {
            let copy = tempfile::tempdir().unwrap();
            copy_folder(image.path(), copy.path());
            match keep {
                None => fs::remove_file(copy.path().join(name)).unwrap(),
                Some(len) => {
                    let file = fs::File::options().write(true).open(copy.path().join(name)).unwrap();
                    file.set_len(len).unwrap();
                }
            }
            let answer = read_all(EngineKind::Fjall, copy.path());
            assert!(
                matches!(answer, Err(OpenError::Store(StoreError::Damaged { .. }))),
                "{} cut to {keep:?}: {answer:?}",
                name.display()
            );
        }
    }
}

#[test]
fn what_an_interrupted_flush_left_is_no_damage() {
    let image = filled(EngineKind::Fjall);
    fs::write(image.path().join("db/keyspaces/1/tables/77"), "half a table").unwrap();
    fs::write(image.path().join("db/keyspaces/1/v9"), "half a list").unwrap();
    read_all(EngineKind::Fjall, image.path()).unwrap();
}

#[test]
fn a_missing_keyspace_or_database_is_damage() {
    let image = filled(EngineKind::Fjall);
    for missing in ["db", "db/keyspaces/1", "db/keyspaces/4"] {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(image.path(), copy.path());
        fs::remove_dir_all(copy.path().join(missing)).unwrap();
        let answer = read_all(EngineKind::Fjall, copy.path());
        assert!(matches!(answer, Err(OpenError::Store(StoreError::Damaged { .. }))), "{missing}: {answer:?}");
    }
}

#[test]
fn a_missing_or_short_log_is_damage() {
    let image = filled(EngineKind::Sled);
    for keep in [None, Some(0), Some(100), Some(20_000)] {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(image.path(), copy.path());
        let log = copy.path().join("sled/db");
        match keep {
            None => fs::remove_file(log).unwrap(),
            Some(len) => fs::File::options().write(true).open(log).unwrap().set_len(len).unwrap(),
        }
        let answer = read_all(EngineKind::Sled, copy.path());
        assert!(
            matches!(answer, Err(OpenError::Store(StoreError::Damaged { .. }))),
            "cut to {keep:?}: {answer:?}"
        );
    }
}

#[test]
fn what_an_interrupted_note_of_the_pages_left_is_no_damage() {
    let image = filled(EngineKind::Sled);
    fs::write(image.path().join("sled/snap.FFFFFFFFFFFFFFFF.generating"), "half a note").unwrap();
    read_all(EngineKind::Sled, image.path()).unwrap();
}
