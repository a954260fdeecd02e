//! Walking the DAG from a head to what is known: which blocks are missing, and when a head becomes ours.
//!
//! A head that we announce must have all its ancestors here, so a head heard of becomes one of ours only when
//! its walk ends. The rows of a walk are written with the blocks it merges: a crash in the middle leaves a walk
//! that goes on, never a hole that nobody remembers.

use super::{
    BlockId, CrdtBackend, CrdtOutput, MAX_OPEN_WALKS,
    rows::{MergedRow, OpenRemovalRow, WalkRow, encode_height},
};
use cluster_core::{
    mutate::{Mutation as Defect, active},
    pinset::{Staged, counters::Counter, mutation::Mutation},
    ports::datastore::{StoreError, Tree},
};
use std::collections::BTreeSet;

impl CrdtBackend {
    /// Starts a walk whose first missing block is `root`; false when no more may be open. The root of a repair has
    /// followers, so it does not become a head.
    fn start_walk(&mut self, staged: &mut Staged, root: BlockId, repair: bool) -> bool {
        if self.walks.len() >= MAX_OPEN_WALKS {
            return false;
        }
        let walk = self.take_walk_number(staged);
        let first = !repair && self.head_heights.is_empty() && self.walks.values().all(|w| w.first);
        let row = WalkRow { root: Some(root), missing: 1, first, repair, ..WalkRow::default() };
        staged.put(Tree::Frontier, WalkRow::key(walk), row.encode());
        staged.put(Tree::Frontier, WalkRow::missing_key(&root), WalkRow::encode_owner(walk));
        self.walks.insert(walk, row);
        true
    }

    /// Starts walks that bring what is missing below merged blocks. A lost block counts as not merged until it is here
    /// again, and is no head meanwhile: nobody could fetch it from us.
    pub(super) fn repair(
        &mut self,
        mutation: &mut Mutation<'_>,
        lost: &[BlockId],
        holes: &[BlockId],
    ) -> Result<(), StoreError> {
        let mut fetch = Vec::new();
        for (id, is_lost) in lost.iter().map(|id| (id, true)).chain(holes.iter().map(|id| (id, false))) {
            let is_missed = mutation.staged.has(Tree::Frontier, &WalkRow::missing_key(id))?;
            if is_missed || mutation.staged.has(Tree::Merged, &id.0)? != is_lost {
                continue;
            }
            let was_head = self.head_heights.contains_key(id);
            if !self.start_walk(mutation.staged, *id, !was_head) {
                break;
            }
            if is_lost {
                mutation.staged.delete(Tree::Merged, id.0.to_vec());
                mutation.staged.delete(Tree::Blocks, id.0.to_vec());
                mutation.counters.sub(Counter::Merged, 1);
            }
            if was_head {
                self.head_heights.remove(id);
                mutation.staged.delete(Tree::Heads, id.0.to_vec());
            }
            fetch.push(*id);
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
                if !self.start_walk(staged, id, false) {
                    return Ok(None);
                }
                self.next_walk - 1
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
                    if !active(Defect::SkipFrontierRow) {
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
        while !active(Defect::IgnoreOtherWalks) {
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
            roots.extend(row.root.filter(|_| !row.repair));
            self.urgent = true;
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
            if std::mem::take(&mut self.open_removals) {
                for (key, _) in staged.prefix(Tree::Frontier, OpenRemovalRow::PREFIX)? {
                    staged.delete(Tree::Frontier, key);
                }
            }
        }
        Ok(())
    }

    /// Says whether what a walk finds is below heads that were known when a removal was accepted: then the removal is
    /// meant for it too. Only a first walk finds what this peer never had.
    pub(super) fn finds_below(&self, walk: u64, heads: &[BlockId]) -> bool {
        let root = self.walks.get(&walk).filter(|walk| walk.first).and_then(|walk| walk.root);
        root.is_some_and(|root| heads.contains(&root))
    }
}

/// Only for the mutation of that name: the root is here, so let the rest go.
fn ends_early(row: &WalkRow) -> bool {
    active(Defect::EndWalkEarly) && row.missing < 2
}
