//! The set: what the blocks say, what the rows say, and what the pinset shows.

use super::{Checker, PAGE};
use crate::crdt::{
    Block, BlockId,
    rows::{ElementRow, PendingRow},
};
use cluster_core::{
    PinKey,
    pinset::stored_pin,
    ports::datastore::{Cursor, StoreError, Tree},
};
use std::collections::BTreeMap;

type Elements = Vec<(BlockId, ElementRow)>;

impl Checker<'_> {
    /// Compares every block with the rows that merging it leaves; returns how many live elements there must be.
    pub(super) fn check_blocks(&mut self) -> Result<u64, StoreError> {
        let mut live = 0;
        self.each(Tree::Blocks, |c, key, bytes| {
            let (Some(id), Ok(block)) = (BlockId::from_slice(key), Block::decode(bytes)) else {
                c.report.add(Tree::Blocks, key, "unreadable");
                return Ok(());
            };
            if BlockId::of(bytes) != id {
                c.report.add(Tree::Blocks, key, "the bytes do not hash to the name");
            }
            let Some(merged) = c.merged(key)? else {
                c.report.add(Tree::Blocks, key, "not merged");
                return Ok(());
            };
            if merged.priority != block.delta.priority {
                c.report.add(Tree::Merged, key, "not the block's priority");
            }
            c.check_links(&id, merged.walk, &block.links)?;
            if !block.delta.dag_name.is_empty() {
                return Ok(());
            }
            for tombstone in &block.delta.tombstones {
                let names =
                    (PinKey::from_datastore_key(&tombstone.key), BlockId::from_datastore_key(&tombstone.id));
                if let (Ok(pin), Ok(removed)) = names {
                    let row = ElementRow::key(&pin, &removed);
                    if !c.has(Tree::Tombstones, &row)? {
                        c.report.add(Tree::Tombstones, &row, "missing");
                    }
                }
            }
            let mut values: BTreeMap<PinKey, &[u8]> = BTreeMap::new();
            for element in &block.delta.elements {
                if let Ok(pin) = PinKey::from_datastore_key(&element.key) {
                    let value = values.entry(pin).or_default();
                    *value = (*value).max(&element.value);
                }
            }
            for (pin, value) in values {
                live += u64::from(c.check_element(&pin, &id, merged.priority, value)?);
            }
            Ok(())
        })?;
        Ok(live)
    }

    /// Says whether what a block added is live.
    fn check_element(
        &mut self,
        pin: &PinKey,
        id: &BlockId,
        priority: u64,
        value: &[u8],
    ) -> Result<bool, StoreError> {
        let key = ElementRow::key(pin, id);
        if self.has(Tree::Tombstones, &key)? {
            return Ok(false);
        }
        let row = self.snapshot.get(Tree::Elements, &key)?;
        let fits = match row.as_deref().and_then(ElementRow::decode) {
            None => false,
            Some(row) if row.priority != priority => false,
            Some(ElementRow { value: Some(kept), .. }) => kept == value,
            Some(ElementRow { value: None, .. }) => {
                let shown = self.snapshot.get(Tree::Pins, pin.as_bytes())?;
                shown.is_some_and(|row| stored_pin::value(&row) == value)
            }
        };
        if !fits {
            self.report.add(Tree::Elements, &key, "missing, or not what the block says");
        }
        Ok(true)
    }

    /// Goes through all keys, once from the elements and once from the pins.
    pub(super) fn check_keys(&mut self, in_blocks: u64) -> Result<(), StoreError> {
        let mut rows = 0u64;
        let mut current: Option<(PinKey, Elements)> = None;
        self.each(Tree::Elements, |c, row_key, row| {
            rows += 1;
            let names = (ElementRow::pin_of(row_key), ElementRow::block_of(row_key), ElementRow::decode(row));
            let (Some(pin), Some(block), Some(element)) = names else {
                c.report.add(Tree::Elements, row_key, "unreadable");
                return Ok(());
            };
            if c.has(Tree::Tombstones, row_key)? {
                c.report.add(Tree::Elements, row_key, "tombstoned, but here");
            }
            match &mut current {
                Some((same, elements)) if *same == pin => elements.push((block, element)),
                _ => {
                    if let Some((done, elements)) = current.take() {
                        c.check_key(&done, &elements)?;
                    }
                    current = Some((pin, vec![(block, element)]));
                }
            }
            Ok(())
        })?;
        if let Some((done, elements)) = current {
            self.check_key(&done, &elements)?;
        }
        if rows != in_blocks {
            self.report.add(
                Tree::Elements,
                &[],
                &format!("{rows} rows, but the blocks hold {in_blocks} live ones"),
            );
        }
        // Keys without elements: only an add that waits may show there.
        for tree in [Tree::Pins, Tree::Pending] {
            self.each(tree, |c, key, row| {
                if tree == Tree::Pending && PendingRow::decode(row).is_none() {
                    c.report.add(tree, key, "unreadable");
                }
                let mut first = Cursor::prefix(Tree::Elements, key);
                if first.next_page_of(c.snapshot, 1)?.is_empty()
                    && let Ok(pin) = PinKey::from_bytes(key)
                {
                    c.check_key(&pin, &Vec::new())?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Compares what the pinset shows of a key with its elements and its waiting operation.
    fn check_key(&mut self, pin: &PinKey, elements: &Elements) -> Result<(), StoreError> {
        let key = pin.as_bytes();
        let row = self.snapshot.get(Tree::Pins, key)?;
        let shown = row.as_deref().map(stored_pin::value);
        let bare: Vec<BlockId> =
            elements.iter().filter(|(_, row)| row.value.is_none()).map(|(block, _)| *block).collect();
        let hidden = match self.pending(key)? {
            Some(PendingRow::Add { .. }) => {
                if shown.is_none() {
                    self.report.add(Tree::Pins, key, "an add waits, but nothing is shown");
                }
                if !bare.is_empty() {
                    self.report.add(
                        Tree::Elements,
                        key,
                        "an add waits, but an element left its value with the pin",
                    );
                }
                return Ok(());
            }
            Some(PendingRow::Remove { observed, .. }) => {
                for block in &observed {
                    let row_key = ElementRow::key(pin, block);
                    if !self.has(Tree::Elements, &row_key)? && !self.has(Tree::Tombstones, &row_key)? {
                        self.report.add(Tree::Pending, key, "observes an element that never was");
                    }
                }
                observed
            }
            None => Vec::new(),
        };
        let mut best: Option<(u64, &[u8], BlockId)> = None;
        for (block, row) in elements.iter().filter(|(block, _)| !hidden.contains(block)) {
            let value = row.value.as_deref().or(shown).unwrap_or_default();
            best = best.max(Some((row.priority, value, *block)));
        }
        match (best, shown) {
            (None, None) if bare.is_empty() => {}
            (Some((_, value, block)), Some(shown)) if bare == [block] && value == shown => {}
            (None, Some(_)) => self.report.add(Tree::Pins, key, "shown, but nobody's add is left"),
            (Some(_), None) => self.report.add(Tree::Pins, key, "not shown, but an add is left"),
            _ => self.report.add(Tree::Pins, key, "not the winner, or values stand in the wrong place"),
        }
        Ok(())
    }

    /// Every tombstone row names a pin and a block.
    pub(super) fn check_tombstones(&mut self) -> Result<(), StoreError> {
        let mut cursor = Cursor::all(Tree::Tombstones);
        while !cursor.is_done() {
            for (key, _) in cursor.next_page_of(self.snapshot, PAGE)? {
                if ElementRow::pin_of(&key).is_none() || ElementRow::block_of(&key).is_none() {
                    self.report.add(Tree::Tombstones, &key, "names no pin and block");
                }
            }
        }
        Ok(())
    }
}
