//! How the DAG stands: for operators.

use super::{
    BlockId, MAX_OPEN_WALKS,
    backend::max_priority,
    rows::{WalkRow, decode_height},
};
use cluster_core::{
    pinset::{
        counters::{Counter, Counters},
        fingerprint::Fingerprint,
    },
    ports::{
        consensus::CrdtHealth,
        datastore::{Cursor, Snapshot, StoreError, Tree},
    },
};

/// Rows read at a time.
const PAGE: usize = 1024;

/// How far the open walks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WalkProgress {
    /// Walks that are open.
    pub walks: u64,
    /// Blocks merged, in all.
    pub merged: u64,
    /// Blocks known of that are not here. What is below them is not known yet.
    pub missing: u64,
    /// The greatest priority of a block merged. Each is greater than those below it, so a whole DAG has about as many
    /// blocks at least.
    pub priority: u64,
}

/// Reads how far the open walks are.
///
/// # Errors
/// When the store fails.
pub fn read_progress(view: &dyn Snapshot) -> Result<WalkProgress, StoreError> {
    let rows = view.prefix(Tree::Frontier, WalkRow::PREFIX, MAX_OPEN_WALKS)?;
    let walks: Vec<WalkRow> = rows.iter().filter_map(|(_, row)| WalkRow::decode(row)).collect();
    Ok(WalkProgress {
        walks: walks.len() as u64,
        merged: Counters::read(view, Counter::Merged)?,
        missing: walks.iter().map(|walk| walk.missing).sum(),
        priority: max_priority(view)?,
    })
}

/// Reads how the DAG stands.
///
/// # Errors
/// When the store fails.
pub fn read_health(view: &dyn Snapshot) -> Result<CrdtHealth, StoreError> {
    let (mut heads, mut height) = (Vec::new(), 0);
    let mut cursor = Cursor::all(Tree::Heads);
    while !cursor.is_done() {
        for (key, row) in cursor.next_page_of(view, PAGE)? {
            if let (Some(head), Some(of_head)) = (BlockId::from_slice(&key), decode_height(&row)) {
                heads.push(head.cid());
                height = height.max(of_head);
            }
        }
    }
    let WalkProgress { walks, merged, missing, .. } = read_progress(view)?;
    Ok(CrdtHealth {
        heads,
        height,
        merged,
        missing,
        walks,
        elements: Counters::read(view, Counter::Elements)?,
        tombstones: Counters::read(view, Counter::Tombstones)?,
        pending: Counters::read(view, Counter::Pending)?,
        fingerprint: Fingerprint::load(view)?.digest(),
    })
}
