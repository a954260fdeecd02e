//! Walking the DAG from a head to what is known: which blocks are missing, and when a head becomes ours.
//!
//! A head that we announce must have all its ancestors here, so a head heard of becomes one of ours only when
//! its walk ends. The rows of a walk are written with the blocks it merges: a crash in the middle leaves a walk
//! that goes on, never a hole that nobody remembers.

use super::{
    BlockId, CrdtBackend, CrdtOutput, MAX_OPEN_WALKS,
    rows::{MergedRow, WalkRow, encode_height},
};
use cluster_core::{
    mutate::{Mutation, active},
    pinset::Staged,
    ports::datastore::{StoreError, Tree},
};
use std::collections::BTreeSet;

impl CrdtBackend {
    /// Starts a walk for every head that is neither merged nor being looked for.
    pub(super) fn hear_heads(&mut self, staged: &mut Staged, heads: &[BlockId]) -> Result<(), StoreError> {
        let mut fetch = Vec::new();
        for head in heads {
            if self.walks.len() >= MAX_OPEN_WALKS {
                break;
            }
            let missing = WalkRow::missing_key(head);
            if staged.has(Tree::Merged, &head.0)? || staged.has(Tree::Frontier, &missing)? {
                continue;
            }
            let walk = self.take_walk_number(staged);
            let first = self.head_heights.is_empty() && self.walks.values().all(|w| w.first);
            let row = WalkRow { root: Some(*head), missing: 1, first, ..WalkRow::default() };
            staged.put(Tree::Frontier, WalkRow::key(walk), row.encode());
            staged.put(Tree::Frontier, missing, WalkRow::encode_owner(walk));
            self.walks.insert(walk, row);
            fetch.push(*head);
        }
        if !fetch.is_empty() {
            self.outputs.push(CrdtOutput::Fetch(fetch));
        }
        Ok(())
    }

    /// Notes that a missing block arrived and which of its links are missing now; returns the walk it belongs to.
    /// A block that no walk asked for starts one of its own; `None` when no more walks may be open.
    pub(super) fn step_walk(
        &mut self,
        staged: &mut Staged,
        id: BlockId,
        links: &[BlockId],
    ) -> Result<Option<u64>, StoreError> {
        let missing = WalkRow::missing_key(&id);
        let owner = staged.get(Tree::Frontier, &missing)?.as_deref().and_then(WalkRow::decode_owner);
        let walk = match owner {
            Some(walk) => walk,
            None => {
                self.hear_heads(staged, &[id])?;
                self.outputs.retain(|o| !matches!(o, CrdtOutput::Fetch(ids) if ids == &[id]));
                let started = staged.get(Tree::Frontier, &missing)?;
                let Some(walk) = started.as_deref().and_then(WalkRow::decode_owner) else { return Ok(None) };
                walk
            }
        };
        staged.delete(Tree::Frontier, missing);
        let mut row = self.walks.get(&walk).cloned().unwrap_or_default();
        row.missing = row.missing.saturating_sub(1);
        let mut fetch = Vec::new();
        for link in links {
            if self.head_heights.contains_key(link) || self.walks.values().any(|w| w.root == Some(*link)) {
                row.covers.push(*link);
            }
            if let Some(merged) = staged.get(Tree::Merged, &link.0)?.as_deref().and_then(MergedRow::decode) {
                self.wait_for(&mut row, walk, merged.walk);
                continue;
            }
            let link_key = WalkRow::missing_key(link);
            match staged.get(Tree::Frontier, &link_key)?.as_deref().and_then(WalkRow::decode_owner) {
                Some(other) => self.wait_for(&mut row, walk, other),
                None => {
                    if !active(Mutation::SkipFrontierRow) {
                        staged.put(Tree::Frontier, link_key, WalkRow::encode_owner(walk));
                    }
                    row.missing += 1;
                    fetch.push(*link);
                }
            }
        }
        row.covers.sort_unstable();
        row.covers.dedup();
        staged.put(Tree::Frontier, WalkRow::key(walk), row.encode());
        self.walks.insert(walk, row);
        if !fetch.is_empty() {
            self.outputs.push(CrdtOutput::Fetch(fetch));
        }
        Ok(Some(walk))
    }

    /// Takes note that a block of our own is one that a walk misses: two peers that remove the same pin from the
    /// same state write the same block, and the other's announcement may have come first.
    pub(super) fn meet_walk(&mut self, staged: &mut Staged, id: BlockId) -> Result<(), StoreError> {
        if self.walks.is_empty() {
            return Ok(());
        }
        let missing = WalkRow::missing_key(&id);
        let owner = staged.get(Tree::Frontier, &missing)?.as_deref().and_then(WalkRow::decode_owner);
        let Some(walk) = owner else { return Ok(()) };
        staged.delete(Tree::Frontier, missing);
        let mut row = self.walks.get(&walk).cloned().unwrap_or_default();
        row.missing = row.missing.saturating_sub(1);
        if row.root != Some(id) {
            // It is a head of ours now, and the walk's root follows it.
            row.covers.push(id);
        }
        staged.put(Tree::Frontier, WalkRow::key(walk), row.encode());
        self.walks.insert(walk, row);
        self.outputs.push(CrdtOutput::Taken(id));
        self.end_walks(staged)
    }

    fn wait_for(&self, row: &mut WalkRow, walk: u64, other: u64) {
        if other != walk && self.walks.contains_key(&other) && !row.waits_for.contains(&other) {
            row.waits_for.push(other);
        }
    }

    /// Ends every walk that misses nothing and waits only for walks that end as well; their roots become heads
    /// in place of those they follow.
    pub(super) fn end_walks(&mut self, staged: &mut Staged) -> Result<(), StoreError> {
        let mut ending: BTreeSet<u64> = self
            .walks
            .iter()
            .filter(|(_, row)| row.missing == 0 || ends_early(row))
            .map(|(walk, _)| *walk)
            .collect();
        while !active(Mutation::IgnoreOtherWalks) {
            let open: BTreeSet<u64> =
                self.walks.keys().filter(|walk| !ending.contains(walk)).copied().collect();
            let before = ending.len();
            ending.retain(|walk| self.walks[walk].waits_for.iter().all(|other| !open.contains(other)));
            if ending.len() == before {
                break;
            }
        }
        let mut roots = Vec::new();
        let mut covered = BTreeSet::new();
        for walk in ending {
            let Some(row) = self.walks.remove(&walk) else { continue };
            staged.delete(Tree::Frontier, WalkRow::key(walk));
            covered.extend(row.covers);
            roots.extend(row.root);
        }
        for root in roots {
            let merged = staged.get(Tree::Merged, &root.0)?.as_deref().and_then(MergedRow::decode);
            let height = merged.map_or(0, |row| row.priority);
            self.head_heights.insert(root, height);
            staged.put(Tree::Heads, root.0.to_vec(), encode_height(height));
            self.outputs.push(CrdtOutput::WalkEnded(root));
        }
        for head in covered {
            if self.head_heights.remove(&head).is_some() {
                staged.delete(Tree::Heads, head.0.to_vec());
            }
        }
        if !self.walks.values().any(|walk| walk.first) {
            self.walk_stalled = false;
        }
        Ok(())
    }
}

/// Only for the mutation of that name: the root is here, so let the rest go.
fn ends_early(row: &WalkRow) -> bool {
    active(Mutation::EndWalkEarly) && row.missing < 2
}
