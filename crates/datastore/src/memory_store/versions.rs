//! Rows with the versions that somebody may still look at.

use cluster_core::ports::datastore::Tree;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

type Value = Option<Arc<[u8]>>;

/// One row's values, oldest first, each with the number of the commit that wrote it. Never empty.
type History = Vec<(u64, Value)>;

/// All rows of all trees. Each keeps the values that may still be asked for.
pub(super) struct Versions {
    trees: Vec<BTreeMap<Arc<[u8]>, History>>,
    /// Rows that can be shortened once everybody looks at this commit or a later one.
    stale: VecDeque<(u64, Tree, Arc<[u8]>)>,
}

impl Default for Versions {
    fn default() -> Self {
        Self { trees: Tree::ALL.iter().map(|_| BTreeMap::new()).collect(), stale: VecDeque::new() }
    }
}

impl Versions {
    /// Writes a value as part of commit `number`, which is not smaller than any before.
    pub(super) fn put(&mut self, tree: Tree, key: Vec<u8>, number: u64, value: Option<Vec<u8>>) {
        let key: Arc<[u8]> = key.into();
        let value: Value = value.map(Into::into);
        let rows = &mut self.trees[usize::from(tree.number())];
        match rows.get_mut(&key) {
            Some(history) => {
                self.stale.push_back((number, tree, key));
                match history.last_mut() {
                    Some((last, old)) if *last == number => *old = value,
                    _ => history.push((number, value)),
                }
            }
            // Deleting what never was leaves no trace.
            None if value.is_none() => {}
            None => {
                rows.insert(key, vec![(number, value)]);
            }
        }
    }

    /// Reads a value as of commit `at`.
    pub(super) fn get(&self, tree: Tree, key: &[u8], at: u64) -> Option<Vec<u8>> {
        let history = self.trees[usize::from(tree.number())].get(key)?;
        visible(history, at).map(<[u8]>::to_vec)
    }

    /// Walks over the rows between two bounds as of commit `at`. The bounds must not be upside down.
    pub(super) fn range<'a>(
        &'a self,
        tree: Tree,
        from: Bound<&'a [u8]>,
        to: Bound<&'a [u8]>,
        at: u64,
    ) -> impl DoubleEndedIterator<Item = (&'a [u8], &'a [u8])> {
        let rows = self.trees[usize::from(tree.number())].range::<[u8], _>((from, to));
        rows.filter_map(move |(key, history)| Some((&**key, visible(history, at)?)))
    }

    /// Forgets values that only commits before `oldest` show.
    pub(super) fn prune(&mut self, oldest: u64) {
        while let Some((number, _, _)) = self.stale.front()
            && *number <= oldest
        {
            let Some((_, tree, key)) = self.stale.pop_front() else { break };
            let rows = &mut self.trees[usize::from(tree.number())];
            let Some(history) = rows.get_mut(&key) else { continue };
            let first = history.partition_point(|(number, _)| *number <= oldest).saturating_sub(1);
            history.drain(..first);
            if let [(number, None)] = history.as_slice()
                && *number <= oldest
            {
                rows.remove(&key);
            }
        }
    }

    /// Copies the state as of commit `at`.
    pub(super) fn at(&self, at: u64) -> Self {
        let copy = |rows: &BTreeMap<Arc<[u8]>, History>| {
            let kept = rows.iter().filter_map(|(key, history)| {
                let (number, value) = history.iter().rev().find(|(number, _)| *number <= at)?;
                let value = value.as_ref()?;
                Some((Arc::clone(key), vec![(*number, Some(Arc::clone(value)))]))
            });
            kept.collect()
        };
        Self { trees: self.trees.iter().map(copy).collect(), stale: VecDeque::new() }
    }

    /// Sums up the bytes of all keys and values kept.
    pub(super) fn bytes(&self) -> u64 {
        let history_bytes = |history: &History| -> usize {
            history.iter().map(|(_, value)| value.as_ref().map_or(0, |bytes| bytes.len())).sum()
        };
        let rows = self.trees.iter().flatten();
        rows.map(|(key, history)| (key.len() + history_bytes(history)) as u64).sum()
    }

    /// Counts the values kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.trees.iter().flat_map(BTreeMap::values).map(Vec::len).sum()
    }
}

fn visible(history: &History, at: u64) -> Option<&[u8]> {
    let (_, value) = history.iter().rev().find(|(number, _)| *number <= at)?;
    value.as_deref()
}
