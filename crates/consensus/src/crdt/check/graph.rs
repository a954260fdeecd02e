//! The graph: heads, walks, what is merged and what is missing.

use super::Checker;
use crate::crdt::{
    BlockId,
    rows::{WalkRow, decode_height},
};
use cluster_core::ports::datastore::{StoreError, Tree};
use std::collections::BTreeMap;

impl Checker<'_> {
    pub(super) fn read_walks(&mut self) -> Result<(), StoreError> {
        self.each(Tree::Frontier, |c, key, row| {
            let Some((b'w', number)) = key.split_first() else { return Ok(()) };
            match (number.try_into().map(u64::from_be_bytes), WalkRow::decode(row)) {
                (Ok(number), Some(walk)) => {
                    c.walks.insert(number, walk);
                }
                _ => c.report.add(Tree::Frontier, key, "unreadable"),
            }
            Ok(())
        })
    }

    /// A head is merged, and so is everything below it: its walk has ended.
    pub(super) fn check_heads(&mut self) -> Result<(), StoreError> {
        self.each(Tree::Heads, |c, key, row| {
            match (c.merged(key)?, decode_height(row)) {
                (None, _) => c.report.add(Tree::Heads, key, "a head that is not merged"),
                (Some(_), None) => c.report.add(Tree::Heads, key, "unreadable"),
                (Some(merged), Some(height)) => {
                    if merged.priority != height {
                        c.report.add(Tree::Heads, key, "the height is not the block's priority");
                    }
                    if c.walks.contains_key(&merged.walk) {
                        c.report.add(Tree::Heads, key, "a head whose walk has not ended");
                    }
                }
            }
            Ok(())
        })
    }

    /// Every missing block has an open walk that counts it, and is really missing.
    pub(super) fn check_frontier(&mut self) -> Result<(), StoreError> {
        let mut missing: BTreeMap<u64, u64> = BTreeMap::new();
        self.each(Tree::Frontier, |c, key, row| {
            match key.split_first() {
                Some((b'm', block)) => {
                    let owner = WalkRow::decode_owner(row);
                    if !owner.is_some_and(|walk| c.walks.contains_key(&walk)) {
                        c.report.add(Tree::Frontier, key, "missed by no open walk");
                    }
                    if c.has(Tree::Merged, block)? {
                        c.report.add(Tree::Frontier, key, "missed, but merged");
                    }
                    *missing.entry(owner.unwrap_or(0)).or_default() += 1;
                }
                Some((b'w', _)) => {}
                Some((b'u', _)) if c.walks.values().any(|walk| walk.first) => {}
                _ => c.report.add(Tree::Frontier, key, "unknown"),
            }
            Ok(())
        })?;
        for (number, walk) in self.walks.clone() {
            let key = WalkRow::key(number);
            if walk.missing != missing.get(&number).copied().unwrap_or(0) {
                self.report.add(Tree::Frontier, &key, "counts other blocks than it misses");
            }
            let stuck = walk.missing == 0 && !walk.waits_for.iter().any(|w| self.walks.contains_key(w));
            if stuck {
                self.report.add(Tree::Frontier, &key, "should have ended");
            }
            let Some(root) = walk.root else {
                self.report.add(Tree::Frontier, &key, "has no root");
                continue;
            };
            if !self.has(Tree::Merged, &root.0)? && !self.has(Tree::Frontier, &WalkRow::missing_key(&root))? {
                self.report.add(Tree::Frontier, &key, "its root is neither here nor missed");
            }
        }
        Ok(())
    }

    /// Whether a walk brings back what was lost below a block that is merged.
    fn repairs(&self, walk: u64) -> bool {
        self.walks.get(&walk).is_some_and(|walk| walk.repair)
    }

    pub(super) fn check_merged(&mut self) -> Result<(), StoreError> {
        let mut highest: Option<(u64, Vec<u8>)> = None;
        self.each(Tree::Merged, |c, key, _| {
            match c.merged(key)? {
                None => c.report.add(Tree::Merged, key, "unreadable"),
                Some(merged) if !c.walks.contains_key(&merged.walk) => {
                    highest = highest.take().max(Some((merged.priority, key.to_vec())));
                }
                Some(_) => {}
            }
            if !c.has(Tree::Blocks, key)? {
                c.report.add(Tree::Merged, key, "the block is not here");
            }
            Ok(())
        })?;
        // A block has a greater priority than those it follows.
        if let Some((_, block)) = highest
            && !self.has(Tree::Heads, &block)?
        {
            self.report.add(Tree::Heads, &block, "nothing can follow this block, but it is no head");
        }
        Ok(())
    }

    /// Below a block everything is merged, unless its walk is open and knows what is missing. Only blocks that
    /// nothing follows are heads.
    pub(super) fn check_links(
        &mut self,
        id: &BlockId,
        walk: u64,
        links: &[BlockId],
    ) -> Result<(), StoreError> {
        let open = self.walks.contains_key(&walk);
        for link in links {
            let missed = self.snapshot.get(Tree::Frontier, &WalkRow::missing_key(link))?;
            let repaired = missed.as_deref().and_then(WalkRow::decode_owner).is_some_and(|w| self.repairs(w));
            let known = self.has(Tree::Merged, &link.0)? || (open && missed.is_some()) || repaired;
            if !known {
                self.report.add(
                    Tree::Blocks,
                    &id.0,
                    &format!("a hole below: {link} is neither here nor missed"),
                );
            }
            if !open && self.has(Tree::Heads, &link.0)? {
                self.report.add(Tree::Heads, &link.0, "a head that another block follows");
            }
            let below = self.merged(&link.0)?.map(|merged| merged.walk);
            let below_is_open =
                below.is_some_and(|walk| self.walks.contains_key(&walk) && !self.repairs(walk));
            if !open && below_is_open {
                self.report.add(Tree::Merged, &id.0, "its walk has ended, but not one that it relies on");
            }
        }
        Ok(())
    }
}
