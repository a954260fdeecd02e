//! What the store of a stopped peer holds, for comparing it with what it held before.

use anyhow::{Context, Result, ensure};
use cluster_consensus::{crdt::rows::ElementRow, raft::AppliedRow};
use cluster_core::{
    Cid,
    ports::datastore::{Batch, Cursor, Durability, Row, Tree},
};
use cluster_datastore::{EngineKind, Generations, StoreOptions};
use std::{collections::BTreeMap, path::Path};

/// Rows read at once.
const PAGE: usize = 1024;

/// Memory for reading, in bytes.
const MEMORY: u64 = 16 << 20;

/// What the keys begin with under which a store notes how far each search index is.
const INDEX: &[u8] = b"index/";

/// Makes the store below the base folder of a peer that does not run what a version without search indexes left: nothing is
/// known of any of them.
///
/// # Errors
/// When it cannot be opened or written, or says nothing of indexes.
pub fn forget_search_indexes(base: &Path) -> Result<()> {
    let options = StoreOptions { engine: EngineKind::Fjall, memory_budget: MEMORY };
    let store = Generations::open(&base.join("store"), options)?.current()?;
    let rows = store.snapshot()?.prefix(Tree::Meta, INDEX, PAGE)?;
    ensure!(!rows.is_empty(), "the store says nothing of its indexes");
    let mut batch = Batch::new();
    rows.into_iter().for_each(|(key, _)| batch.delete(Tree::Meta, key));
    store.commit(batch, Durability::Flushed)?;
    Ok(store.close()?)
}

/// What is done to a row of Raft's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// One bit of it is another.
    Flip,
    /// Its second half is gone.
    Halve,
    /// It is gone.
    Remove,
}

/// Lists the entries of Raft's log, in the store below the base folder of a peer that does not run.
///
/// # Errors
/// When it cannot be opened or read.
pub fn raft_entries(base: &Path) -> Result<Vec<u64>> {
    let rows = StoredState::read(base)?.0.remove(&Tree::RaftLog).unwrap_or_default();
    let index = |key: Vec<u8>| key.try_into().ok().map(u64::from_be_bytes);
    Ok(rows.into_iter().filter_map(|(key, _)| index(key)).collect())
}

/// Damages an entry of Raft's log there.
///
/// # Errors
/// When the store cannot be opened or written, or has no such entry.
pub fn damage_raft_entry(base: &Path, index: u64, damage: Damage) -> Result<()> {
    let options = StoreOptions { engine: EngineKind::Fjall, memory_budget: MEMORY };
    let store = Generations::open(&base.join("store"), options)?.current()?;
    let key = index.to_be_bytes();
    let mut row = store.snapshot()?.get(Tree::RaftLog, &key)?.context("there is no such entry")?;
    let middle = row.len() / 2;
    let mut batch = Batch::new();
    match damage {
        Damage::Flip => {
            row[middle] ^= 1;
            batch.put(Tree::RaftLog, key, row);
        }
        Damage::Halve => batch.put(Tree::RaftLog, key, row[..middle].to_vec()),
        Damage::Remove => batch.delete(Tree::RaftLog, key),
    }
    store.commit(batch, Durability::Flushed)?;
    Ok(store.close()?)
}

/// Leaves a damaged part of a snapshot in the store below the base folder of a peer that does not run, as one that was killed
/// while it arrived, or was being installed.
///
/// # Errors
/// When the store cannot be opened or written.
pub fn leave_half_a_snapshot(base: &Path, is_installing: bool) -> Result<()> {
    let options = StoreOptions { engine: EngineKind::Fjall, memory_budget: MEMORY };
    let store = Generations::open(&base.join("store"), options)?.current()?;
    let mut batch = Batch::new();
    // Where the first part begins: of the first section, before every key.
    batch.put(Tree::RaftLog, [0xff, 0], vec![1; 1000]);
    if is_installing {
        batch.put(Tree::RaftState, b"installing", AppliedRow::default().encode());
    }
    store.commit(batch, Durability::Flushed)?;
    Ok(store.close()?)
}

/// All rows of a store.
#[derive(Debug)]
pub struct StoredState(BTreeMap<Tree, Vec<Row>>);

impl StoredState {
    /// Reads the store below the base folder of a peer that does not run.
    ///
    /// # Errors
    /// When it cannot be opened or read.
    pub fn read(base: &Path) -> Result<Self> {
        let options = StoreOptions { engine: EngineKind::Fjall, memory_budget: MEMORY };
        let store = Generations::open(&base.join("store"), options)?.current()?;
        let mut trees = BTreeMap::new();
        for tree in Tree::ALL {
            let (mut cursor, mut rows) = (Cursor::all(tree), Vec::new());
            while !cursor.is_done() {
                rows.extend(cursor.next_page(&*store, PAGE)?);
            }
            trees.insert(tree, rows);
        }
        store.close()?;
        Ok(Self(trees))
    }

    /// Names every row that is in one of both only, or differs: the tree and the key in hex.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        self.differences_in(&Tree::ALL, other)
    }

    /// As [`Self::differences`], of what all peers that agree by Raft have alike: pins, and requests with an id.
    pub fn differences_of_agreed(&self, other: &Self) -> Vec<String> {
        self.differences_in(&[Tree::Pins, Tree::Requests], other)
    }

    fn differences_in(&self, trees: &[Tree], other: &Self) -> Vec<String> {
        let mut different = Vec::new();
        for tree in trees {
            let rows =
                |state: &Self| state.0.get(tree).into_iter().flatten().cloned().collect::<BTreeMap<_, _>>();
            let (here, there) = (rows(self), rows(other));
            let keys = here.keys().chain(there.keys().filter(|key| !here.contains_key(*key)));
            let changed = keys.filter(|key| here.get(*key) != there.get(*key));
            different.extend(changed.map(|key| {
                let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{tree:?} {hex}")
            }));
        }
        different
    }

    /// Lists the blocks of the Merkle-DAG, as they are sent.
    pub fn blocks(&self) -> Vec<&[u8]> {
        let rows = self.0.get(&Tree::Blocks).into_iter().flatten();
        rows.map(|(_, block)| block.as_slice()).collect()
    }

    /// Lists the elements of the set: each CID with the block that pinned it.
    pub fn elements(&self) -> Vec<(Cid, [u8; 32])> {
        let rows = self.0.get(&Tree::Elements).into_iter().flatten();
        let parts = |key: &[u8]| Some((ElementRow::pin_of(key)?.cid(), ElementRow::block_of(key)?.0));
        rows.filter_map(|(key, _)| parts(key)).collect()
    }
}
