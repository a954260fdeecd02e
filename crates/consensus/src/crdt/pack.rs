//! Putting operations into deltas (wire-protocol §4.10).

use super::{
    Block, BlockId, Causes, CrdtBackend, CrdtOutput, Delta, Element, MAX_DELTA, Tombstone,
    rows::{ElementRow, MergedRow, OpenRemovalRow, PendingRow, encode_height},
};
use cluster_core::{
    PinKey,
    mutate::{Mutation, active},
    pinset::{backend::Books, counters::Counter, stored_pin},
    ports::datastore::{StoreError, Tree},
};
use std::collections::BTreeSet;

/// Rows of `pending` looked at for one delta.
const PENDING_PAGE: usize = 4096;

/// Bytes that field tags, lengths and the priority of one entry take at most.
const ENTRY_OVERHEAD: usize = 24;

/// A delta in the making, with what its rows need.
#[derive(Default)]
struct Draft {
    delta: Delta,
    size: usize,
    added: Vec<PinKey>,
    removed: Vec<(PinKey, BlockId)>,
    /// Blocks to link to besides the heads.
    links: BTreeSet<BlockId>,
}

impl Draft {
    fn fits(&self, more: usize) -> bool {
        self.size + more <= MAX_DELTA
    }

    fn is_empty(&self) -> bool {
        self.delta.elements.is_empty() && self.delta.tombstones.is_empty() && self.links.is_empty()
    }

    fn add(&mut self, key: &PinKey, value: Vec<u8>) {
        let text = key.to_datastore_key();
        self.size += text.len() + value.len() + ENTRY_OVERHEAD;
        self.delta.elements.push(Element { key: text, value });
        self.added.push(key.clone());
    }

    fn remove(&mut self, key: &PinKey, block: BlockId) {
        self.repeat_removal(key, block);
        self.removed.push((key.clone(), block));
    }

    /// Tells of a removal that is known here: no row changes.
    fn repeat_removal(&mut self, key: &PinKey, block: BlockId) {
        let tombstone = Tombstone { key: key.to_datastore_key(), id: block.to_datastore_key() };
        self.size += tombstone.key.len() + tombstone.id.len() + ENTRY_OVERHEAD;
        self.delta.tombstones.push(tombstone);
    }
}

/// Bytes of a removal in a delta, at most.
fn removal_size(key: &PinKey) -> usize {
    2 * key.as_bytes().len() + 2 * 34 + ENTRY_OVERHEAD
}

impl CrdtBackend {
    /// Packs what this batch has to pack: its own operations at once unless something defers, and rows that
    /// waited when told to or when nothing defers any more, one delta of those a batch.
    pub(super) fn pack(&mut self, books: &mut Books<'_>) -> Result<(), StoreError> {
        let mut draft = Draft::default();
        for (key, row) in std::mem::take(&mut self.open) {
            draft = self.draft_one(books, draft, &key, &row)?;
        }
        let told = std::mem::take(&mut self.pack_now) && !self.is_held();
        if self.pending_rows > 0 && (told || !self.defers()) {
            for (key, row) in books.staged.range(Tree::Pending, &[], PENDING_PAGE)? {
                if !draft.is_empty() && !draft.fits(MAX_DELTA / 2) {
                    break;
                }
                if !active(Mutation::KeepPending) {
                    books.staged.delete(Tree::Pending, key.clone());
                    self.count_pending(books, -1);
                }
                if let (Ok(key), Some(row)) = (PinKey::from_bytes(&key), PendingRow::decode(&row)) {
                    draft = self.draft_one(books, draft, &key, &row)?;
                }
            }
        }
        // A first walk has not yet shown how high the priorities are.
        if !self.is_held() {
            let Causes { blocks, removed } = std::mem::take(&mut self.retell);
            for (key, block) in removed {
                draft = self.make_room(books, draft, removal_size(&key));
                draft.repeat_removal(&key, block);
            }
            draft.links = blocks;
        }
        self.write_block(books, draft);
        Ok(())
    }

    /// Writes a draft that would grow too large with so many bytes more, and starts another.
    fn make_room(&mut self, books: &mut Books<'_>, draft: Draft, more: usize) -> Draft {
        if draft.fits(more) {
            return draft;
        }
        self.write_block(books, draft);
        Draft::default()
    }

    /// Adds one operation to a draft.
    fn draft_one(
        &mut self,
        books: &mut Books<'_>,
        mut draft: Draft,
        key: &PinKey,
        row: &PendingRow,
    ) -> Result<Draft, StoreError> {
        match row {
            PendingRow::Add { .. } => {
                let Some(stored) = books.staged.get(Tree::Pins, key.as_bytes())? else { return Ok(draft) };
                let value = stored_pin::value(&stored).to_vec();
                draft = self.make_room(books, draft, value.len() + 2 * key.as_bytes().len() + ENTRY_OVERHEAD);
                draft.add(key, value);
            }
            PendingRow::Remove { observed, heads, .. } => {
                if self.walks.keys().any(|walk| self.finds_below(*walk, heads))
                    && !active(Mutation::CloseRemoval)
                {
                    let row = OpenRemovalRow { heads: heads.clone() };
                    books.staged.put(Tree::Frontier, OpenRemovalRow::key(key), row.encode());
                    self.open_removals = true;
                }
                for block in observed {
                    // Somebody else may have removed it meanwhile: one tombstone is enough.
                    if books.staged.has(Tree::Tombstones, &ElementRow::key(key, block))? {
                        continue;
                    }
                    draft = self.make_room(books, draft, removal_size(key));
                    draft.remove(key, *block);
                }
            }
        }
        Ok(draft)
    }

    /// Writes a block of our own: its bytes, its elements and tombstones, and the one head that it leaves.
    fn write_block(&mut self, books: &mut Books<'_>, draft: Draft) {
        if draft.is_empty() {
            return;
        }
        self.packed = true;
        let mut delta = draft.delta;
        delta.priority = self.max_priority.saturating_add(1);
        if active(Mutation::RepeatPriority) {
            delta.priority = self.max_priority.max(1);
        }
        let priority = delta.priority;
        let mut links = self.heads();
        links.extend(draft.links);
        links.sort_unstable();
        links.dedup();
        let bytes = Block { links, delta }.encode();
        let id = BlockId::of(&bytes);
        self.put_max_priority(books.staged, priority);
        for key in &draft.added {
            let row = ElementRow { priority, value: None };
            books.staged.put(Tree::Elements, ElementRow::key(key, &id), row.encode());
            books.fingerprint.add_element(key, &id.0);
        }
        books.counters.add(Counter::Elements, draft.added.len() as u64);
        for (key, block) in &draft.removed {
            let row_key = ElementRow::key(key, block);
            books.staged.delete(Tree::Elements, row_key.clone());
            if !active(Mutation::DropTombstone) {
                books.staged.put(Tree::Tombstones, row_key, Vec::new());
            }
            if !active(Mutation::MissFingerprint) {
                books.fingerprint.remove_element(key, &block.0);
            }
            books.fingerprint.add_tombstone(key, &block.0);
        }
        books.counters.sub(Counter::Elements, draft.removed.len() as u64);
        books.counters.add(Counter::Tombstones, draft.removed.len() as u64);
        books.counters.add(Counter::Merged, 1);
        books.staged.put(Tree::Merged, id.0.to_vec(), MergedRow { priority, walk: 0 }.encode());
        if !active(Mutation::ForgetBlock) {
            books.staged.put(Tree::Blocks, id.0.to_vec(), bytes);
        }
        for head in std::mem::take(&mut self.head_heights).into_keys() {
            books.staged.delete(Tree::Heads, head.0.to_vec());
        }
        self.head_heights.insert(id, priority);
        if !active(Mutation::ForgetHead) {
            books.staged.put(Tree::Heads, id.0.to_vec(), encode_height(priority));
        }
        self.outputs.push(CrdtOutput::Announce(id));
    }
}
