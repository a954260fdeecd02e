//! What must be so at the end, and what is recounted on the way.

use super::{oracle::Name, replica::Replica, world::World};
use anyhow::{Context, Result, bail, ensure};
use cluster_consensus::crdt::{self, rows::ElementRow};
use cluster_core::{
    Pin, PinKey, PinMode,
    pinset::{self, ChangeKind, EventBatch, TrackedState, TrackerRow, stored_pin},
    ports::datastore::{Cursor, Row, Tree},
};
use std::collections::{BTreeMap, BTreeSet};

fn rows(replica: &Replica, tree: Tree) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut cursor = Cursor::all(tree);
    while !cursor.is_done() {
        rows.extend(cursor.next_page(&*replica.store, 4096)?);
    }
    Ok(rows)
}

/// Says why the cluster is not quiet yet, if it is not.
pub(super) fn unrest(world: &World) -> Result<Option<String>> {
    let mut heads: Option<Vec<Row>> = None;
    for (peer, replica) in world.replicas.iter().enumerate() {
        let Some(process) = &replica.process else { return Ok(Some(format!("replica {peer} is down"))) };
        if process.broken || !process.items.is_empty() || process.writer.deadline().is_some() {
            return Ok(Some(format!("replica {peer} is writing")));
        }
        if !process.jobs.is_empty() {
            return Ok(Some(format!("replica {peer} waits for its IPFS daemon")));
        }
        for tree in [Tree::Frontier, Tree::Pending] {
            let left = rows(replica, tree)?;
            if !left.is_empty() {
                return Ok(Some(format!("replica {peer} has {} rows in {tree:?}", left.len())));
            }
        }
        for (key, row) in rows(replica, Tree::Tracker)? {
            let row = TrackerRow::decode(&row).context("a tracker row")?;
            let settled =
                matches!(row.state, TrackedState::Pinned | TrackedState::Remote | TrackedState::Sharded);
            if !settled {
                return Ok(Some(format!("replica {peer} has {key:?} in {:?}", row.state)));
            }
        }
        let own = rows(replica, Tree::Heads)?;
        if heads.get_or_insert_with(|| own.clone()) != &own {
            return Ok(Some(format!("replica {peer} has other heads")));
        }
    }
    Ok(None)
}

/// Compares every derived row of a replica with a recount.
pub(super) fn recount(replica: &Replica) -> Result<()> {
    let report = pinset::check::check(&*replica.store, &replica.local)?;
    ensure!(report.total_mismatches() == 0, "the recount of the pinset: {report}");
    let report = crdt::check::check(&*replica.store)?;
    ensure!(report.total_mismatches() == 0, "the recount of the Merkle-CRDT's books: {report}");
    Ok(())
}

/// Judges a quiet cluster.
pub(super) fn judge(world: &mut World) -> Result<()> {
    let all: BTreeSet<Name> = world.blocks.keys().copied().collect();
    let keys = world.keys();
    for (peer, replica) in world.replicas.iter().enumerate() {
        judge_one(replica, &all, &keys).with_context(|| format!("replica {peer} at the end"))?;
    }
    for tree in [Tree::Pins, Tree::Elements, Tree::Tombstones, Tree::Heads] {
        for pair in world.replicas.windows(2) {
            if let [left, right] = pair {
                ensure!(rows(left, tree)? == rows(right, tree)?, "two replicas differ in {tree:?}");
            }
        }
    }
    world.summary.audits += world.replicas.len() as u64;
    Ok(())
}

fn judge_one(replica: &Replica, all: &BTreeSet<Name>, keys: &[PinKey]) -> Result<()> {
    let model = &replica.model;
    ensure!(model.known() == all, "has {} of {} blocks", model.known().len(), all.len());
    ensure!(!model.waits(), "an acknowledged operation is in no block");
    recount(replica)?;

    let merged: BTreeSet<Name> =
        rows(replica, Tree::Merged)?.iter().filter_map(|(key, _)| key.as_slice().try_into().ok()).collect();
    ensure!(merged == *all, "the rows of merged blocks are not all the blocks");
    let tombstones: BTreeSet<Vec<u8>> =
        model.tombstones().iter().map(|(key, block)| [key.as_slice(), block].concat()).collect();
    let stored: BTreeSet<Vec<u8>> =
        rows(replica, Tree::Tombstones)?.into_iter().map(|(key, _)| key).collect();
    ensure!(stored == tombstones, "other tombstones than the blocks hold");
    judge_elements(replica)?;

    let mut shown = BTreeMap::new();
    for (key, row) in rows(replica, Tree::Pins)? {
        shown.insert(key, stored_pin::value(&row).to_vec());
    }
    for key in keys {
        let expected = model.shown(key.as_bytes());
        ensure!(shown.get(key.as_bytes()) == expected.as_ref(), "{key} is not what it should be");
    }
    ensure!(shown.len() <= keys.len(), "pins that nobody asked for");
    judge_tracker(replica, &shown)?;
    judge_events(replica, &shown)
}

fn judge_elements(replica: &Replica) -> Result<()> {
    let mut stored = rows(replica, Tree::Elements)?.into_iter();
    for (key, block, (priority, value)) in replica.model.adds() {
        let (row_key, row) = stored.next().context("an add has no row")?;
        ensure!(row_key == [key.as_slice(), block].concat(), "the rows are not those of the adds");
        let row = ElementRow::decode(&row).context("an element's row")?;
        let kept = row.value.or(replica.model.shown(key)).unwrap_or_default();
        ensure!(row.priority == *priority && kept == *value, "an add's row says something else");
    }
    ensure!(stored.next().is_none(), "a row of no add");
    Ok(())
}

/// The IPFS daemon holds exactly what is allocated to this replica, in the right mode, and the rows say so.
fn judge_tracker(replica: &Replica, shown: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<()> {
    let mut expected: BTreeMap<PinKey, PinMode> = BTreeMap::new();
    let mut states = BTreeMap::new();
    for (key, value) in shown {
        let key = PinKey::from_bytes(key)?;
        let pin = Pin::decode(&key, value)?;
        let is_here = pin.allocations.is_empty() || pin.allocations.contains(&replica.local);
        states.insert(key.clone(), if is_here { TrackedState::Pinned } else { TrackedState::Remote });
        if is_here {
            expected.insert(key, pin.depth.mode());
        }
    }
    ensure!(
        *replica.ipfs.pinned() == expected,
        "the IPFS daemon holds {:?}, but should {expected:?}",
        replica.ipfs.pinned()
    );
    let mut stored = BTreeMap::new();
    for (key, row) in rows(replica, Tree::Tracker)? {
        let row = TrackerRow::decode(&row).context("a tracker row")?;
        stored.insert(PinKey::from_bytes(&key)?, row.state);
    }
    ensure!(stored == states, "the tracker says {stored:?}, but should {states:?}");
    Ok(())
}

/// Whoever followed the events knows the pinset.
fn judge_events(replica: &Replica, shown: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<()> {
    let mut followed = BTreeMap::new();
    for (_, row) in rows(replica, Tree::Events)? {
        let Some(batch) = EventBatch::decode(&row) else { bail!("an unreadable event") };
        for change in batch.changes {
            match change.kind {
                ChangeKind::Pinned(etag) => {
                    followed.insert(change.key.as_bytes().to_vec(), etag.0);
                }
                ChangeKind::Unpinned => {
                    followed.remove(change.key.as_bytes());
                }
                ChangeKind::Status(_) | ChangeKind::Forgotten => {}
            }
        }
    }
    let tags: BTreeMap<Vec<u8>, [u8; 16]> =
        shown.iter().map(|(key, value)| (key.clone(), super::oracle::tag(value))).collect();
    ensure!(followed == tags, "the events lead to another pinset");
    Ok(())
}
