//! What the suites share.
#![allow(dead_code)]

use cluster_core::ports::datastore::{Batch, Cursor, Datastore, Durability, MAX_PAGE, Tree};
use cluster_datastore::{EngineKind, FjallStore, OpenError, SledStore};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The engines that keep what they hold.
pub(crate) const ON_DISK: [EngineKind; 2] = [EngineKind::Fjall, EngineKind::Sled];

/// Opens a store of an engine on disk.
pub(crate) fn open(engine: EngineKind, folder: &Path) -> Result<Arc<dyn Datastore>, OpenError> {
    open_with(engine, folder, BUDGET)
}

/// Opens a store of an engine on disk with so many bytes of memory.
pub(crate) fn open_with(
    engine: EngineKind,
    folder: &Path,
    budget: u64,
) -> Result<Arc<dyn Datastore>, OpenError> {
    match engine {
        EngineKind::Fjall => Ok(Arc::new(FjallStore::open(folder, budget)?)),
        EngineKind::Sled => Ok(Arc::new(SledStore::open(folder, budget)?)),
        EngineKind::Memory => panic!("not on disk"),
    }
}

/// Small, so that tests reach tables soon, in bytes.
pub(crate) const BUDGET: u64 = 16 * 1024 * 1024;

/// Copies a folder with everything in it; holes stay holes.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
            continue;
        }
        let bytes = fs::read(entry.path()).unwrap();
        let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        fs::write(&target, &bytes[..written]).unwrap();
        fs::File::options().write(true).open(&target).unwrap().set_len(bytes.len() as u64).unwrap();
    }
}

/// Lists the journals of a store, the active one last.
pub(crate) fn journals(store: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(store.join("db")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "jnl")).collect();
    found.sort_by_key(|path| path.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap());
    found
}

/// Writes row `number` with its value.
pub(crate) fn write(store: &dyn Datastore, number: u32, durability: Durability) {
    store.commit(numbered(number), durability).unwrap();
}

/// Makes a batch of two rows in two trees.
pub(crate) fn numbered(number: u32) -> Batch {
    let mut batch = Batch::new();
    batch.put(Tree::Pins, number.to_be_bytes(), value_of(number));
    batch.put(Tree::Tracker, number.to_be_bytes(), "state");
    batch
}

/// Returns what row `number` holds.
pub(crate) fn value_of(number: u32) -> Vec<u8> {
    (0..130).map(|at| (number.wrapping_mul(2_654_435_761).wrapping_add(at) >> 7) as u8).collect()
}

/// Reads which rows there are; checks that each is whole, in both trees.
pub(crate) fn numbers(store: &dyn Datastore) -> Vec<u32> {
    let mut cursor = Cursor::all(Tree::Pins);
    let snapshot = store.snapshot().unwrap();
    let mut found = Vec::new();
    while !cursor.is_done() {
        for (key, value) in cursor.next_page_of(&*snapshot, MAX_PAGE).unwrap() {
            let number = u32::from_be_bytes(key[..].try_into().unwrap());
            assert_eq!(value, value_of(number));
            assert_eq!(snapshot.get(Tree::Tracker, &key).unwrap().as_deref(), Some(&b"state"[..]));
            found.push(number);
        }
    }
    found
}
