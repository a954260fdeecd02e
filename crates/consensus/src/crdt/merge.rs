//! Merging a block of somebody else (wire-protocol §4.9).

use super::{
    Block, BlockId, CrdtBackend, CrdtOutput, Delta,
    pending::elements,
    register::Register,
    rows::{ElementRow, MergedRow, OpenRemovalRow, PendingRow},
};
use cluster_core::{
    Pin, PinKey, UnixMillis,
    mutate::{Mutation as Defect, active},
    pinset::{
        Staged,
        counters::Counter,
        mutation::{Before, Mutation},
    },
    ports::datastore::{StoreError, Tree},
};
use std::collections::BTreeMap;

/// The block that is merged.
#[derive(Clone, Copy)]
struct Found {
    id: BlockId,
    /// The walk that found it.
    walk: u64,
    priority: u64,
}

/// What one delta does to one key.
#[derive(Default)]
struct KeyChange<'a> {
    tombstones: Vec<BlockId>,
    element: Option<&'a [u8]>,
}

impl CrdtBackend {
    /// Merges a block that was fetched, once; keeps its bytes; goes on with the walk it belongs to.
    pub(super) fn take_block(
        &mut self,
        mutation: &mut Mutation<'_>,
        id: BlockId,
        bytes: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.outputs.push(CrdtOutput::Taken(id));
        if mutation.staged.has(Tree::Merged, &id.0)? {
            return Ok(());
        }
        // The engine has decoded it before; whoever hands in other bytes gets nothing merged.
        let Ok(block) = Block::decode(&bytes) else { return Ok(()) };
        let Some(walk) = self.step_walk(mutation.staged, id, &block.links)? else { return Ok(()) };
        let priority = block.delta.priority;
        mutation.staged.put(Tree::Merged, id.0.to_vec(), MergedRow { priority, walk }.encode());
        mutation.staged.put(Tree::Blocks, id.0.to_vec(), bytes);
        mutation.counters.add(Counter::Merged, 1);
        self.put_max_priority(mutation.staged, priority);
        // A delta of a named DAG belongs to another set; its block is still part of the graph.
        if block.delta.dag_name.is_empty() {
            self.merge_delta(mutation, id, walk, &block.delta)?;
        }
        self.end_walks(mutation.staged)
    }

    fn merge_delta(
        &mut self,
        mutation: &mut Mutation<'_>,
        id: BlockId,
        walk: u64,
        delta: &Delta,
    ) -> Result<(), StoreError> {
        let mut changes: BTreeMap<PinKey, KeyChange<'_>> = BTreeMap::new();
        for tombstone in &delta.tombstones {
            // Keys that are no pins and ids in another spelling remove nothing; Go keeps showing such a pin too.
            let names =
                (PinKey::from_datastore_key(&tombstone.key), BlockId::from_datastore_key(&tombstone.id));
            if let (Ok(key), Ok(block)) = names {
                changes.entry(key).or_default().tombstones.push(block);
            }
        }
        for element in &delta.elements {
            if let Ok(key) = PinKey::from_datastore_key(&element.key) {
                // Of a key that one delta repeats the greatest value counts, whatever the order.
                let greatest = &mut changes.entry(key).or_default().element;
                *greatest = (*greatest).max(Some(&element.value));
            }
        }
        for (key, change) in changes {
            self.merge_key(mutation, Found { id, walk, priority: delta.priority }, &key, &change)?;
        }
        Ok(())
    }

    /// Extends a removal to an element that it was meant for, though nobody had seen it here: it is below heads that were
    /// known when the removal was accepted.
    fn catch(
        &mut self,
        staged: &mut Staged,
        waiting: &mut Option<PendingRow>,
        key: &PinKey,
        id: BlockId,
        walk: u64,
    ) -> Result<(), StoreError> {
        match waiting {
            Some(PendingRow::Remove { observed, heads, .. }) if self.finds_below(walk, heads) => {
                if active(Defect::LeaveFound) {
                    return Ok(());
                }
                observed.push(id);
            }
            None if self.open_removals => {
                let row = staged.get(Tree::Frontier, &OpenRemovalRow::key(key))?;
                let row = row.as_deref().and_then(OpenRemovalRow::decode);
                let Some(OpenRemovalRow { heads }) = row.filter(|row| self.finds_below(walk, &row.heads))
                else {
                    return Ok(());
                };
                *waiting = Some(PendingRow::Remove { since: UnixMillis(0), observed: vec![id], heads });
            }
            _ => return Ok(()),
        }
        let Some(row) = waiting.clone() else { return Ok(()) };
        if staged.has(Tree::Pending, key.as_bytes())? {
            staged.put(Tree::Pending, key.as_bytes().to_vec(), row.encode());
        } else {
            self.open.insert(key.clone(), row);
        }
        Ok(())
    }

    fn merge_key(
        &mut self,
        mutation: &mut Mutation<'_>,
        found: Found,
        key: &PinKey,
        change: &KeyChange<'_>,
    ) -> Result<(), StoreError> {
        let Found { id, walk, priority } = found;
        let before = Before::read(mutation.staged, key)?;
        let mut waiting = self.pending(mutation.staged, key)?;
        // What is shown is a live element or an add that waits: of a key that shows nothing only a removal that waits can
        // hide some. New pins, the bulk of a first walk, cost no scan.
        let mut live = match (&before, &waiting) {
            (None, None) => Vec::new(),
            _ => elements(mutation.staged, key)?,
        };
        // The value in the pin's row belongs to one element, unless it is one that waits to be published.
        let winner = live.iter().position(|(_, row)| row.value.is_none());
        if let (Some(winner), Some(before)) = (winner, &before) {
            live[winner].1.value = Some(before.value().to_vec());
        }
        let winner = winner.map(|index| live[index].0);

        for block in &change.tombstones {
            let row_key = ElementRow::key(key, block);
            if mutation.staged.has(Tree::Tombstones, &row_key)? {
                continue;
            }
            mutation.staged.put(Tree::Tombstones, row_key.clone(), Vec::new());
            mutation.counters.add(Counter::Tombstones, 1);
            mutation.fingerprint.add_tombstone(key, &block.0);
            if let Some(index) = live.iter().position(|(b, _)| b == block) {
                live.remove(index);
                mutation.staged.delete(Tree::Elements, row_key);
                mutation.counters.sub(Counter::Elements, 1);
                mutation.fingerprint.remove_element(key, &block.0);
            }
        }
        if let Some(value) = change.element
            && (!mutation.staged.has(Tree::Tombstones, &ElementRow::key(key, &id))?
                || active(Defect::MergeTombstoned))
            // A block that was lost comes a second time.
            && !live.iter().any(|(block, _)| *block == id)
        {
            live.push((id, ElementRow { priority, value: Some(value.to_vec()) }));
            mutation.counters.add(Counter::Elements, 1);
            mutation.fingerprint.add_element(key, &id.0);
            self.catch(mutation.staged, &mut waiting, key, id, walk)?;
        }

        let hidden: &[BlockId] = match &waiting {
            Some(PendingRow::Remove { observed, .. }) if !active(Defect::IgnoreObserved) => observed,
            Some(PendingRow::Remove { .. }) => &[],
            Some(PendingRow::Add { .. }) | None => &[],
        };
        let pending_add =
            matches!(waiting, Some(PendingRow::Add { .. })) && !active(Defect::OverwritePendingAdd);
        let mut register = Register::default();
        for (block, row) in live.iter().filter(|(block, _)| !pending_add && !hidden.contains(block)) {
            register.offer(row.priority, row.value.as_deref().unwrap_or_default(), *block);
        }
        let best = register.winner().map(|(value, block)| (value.to_vec(), block));

        // Values stand in exactly one place: the winner's in the pin's row, all others with their element.
        let best_block = best.as_ref().map(|(_, block)| *block);
        for (block, row) in &mut live {
            let is_best = Some(*block) == best_block;
            if is_best {
                row.value = None;
            }
            if is_best != (Some(*block) == winner) || *block == id {
                mutation.staged.put(Tree::Elements, ElementRow::key(key, block), row.encode());
            }
        }
        if pending_add {
            return Ok(());
        }
        match (best, before) {
            (Some((value, _)), Some(before)) if before.value() == value => Ok(()),
            (Some((value, _)), before) => {
                let pin = Pin::decode_lossy(key, &value);
                mutation.put_pin(key, &pin, &value, before.as_ref())
            }
            (None, Some(before)) => mutation.remove_pin(key, &before),
            (None, None) => Ok(()),
        }
    }
}
