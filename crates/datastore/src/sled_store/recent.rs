//! The rows of recent commits, with the versions that somebody may still look at.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

/// A value, or none where there is no row.
pub(super) type Value = Option<Arc<[u8]>>;

/// One row's values, oldest first, each with the number of the commit that wrote it; 0 for what the engine held before.
type History = Vec<(u64, Value)>;

/// One row of a commit.
pub(super) struct StagedRow {
    pub(super) key: Arc<[u8]>,
    pub(super) value: Value,
    /// What the engine holds; only asked for when no recent commit had the key.
    pub(super) before: Option<Value>,
}

/// One row that the engine does not hold yet.
pub(super) struct Change {
    pub(super) key: Arc<[u8]>,
    /// Length of the value that the engine holds.
    pub(super) before: Option<usize>,
    pub(super) value: Value,
}

/// What lies over the engine: for rows that are here, the engine is not asked. That hides a batch while it is being
/// written, gives snapshots to an engine that has none, and keeps lazy commits until the next flush.
#[derive(Default)]
pub(super) struct Recent {
    rows: BTreeMap<Arc<[u8]>, History>,
    /// Which rows each commit wrote, oldest first.
    order: VecDeque<(u64, Arc<[u8]>)>,
    /// Number of the last commit.
    latest: u64,
    /// Number of the last commit that new snapshots show.
    visible: u64,
    /// Number of the last commit that the engine holds, durably.
    written: u64,
    /// Bytes of the commits after that.
    pending: usize,
}

impl Recent {
    /// Returns the last commit that new snapshots show.
    pub(super) fn visible(&self) -> u64 {
        self.visible
    }

    /// Returns how many bytes wait for the next flush.
    pub(super) fn pending_bytes(&self) -> usize {
        self.pending
    }

    /// Says whether the history of a row is here.
    pub(super) fn has(&self, key: &[u8]) -> bool {
        self.rows.contains_key(key)
    }

    /// Adds a commit, which nobody sees yet.
    pub(super) fn stage(&mut self, rows: Vec<StagedRow>) {
        self.latest += 1;
        for StagedRow { key, value, before } in rows {
            self.pending += key.len() + value.as_ref().map_or(0, |value| value.len());
            let history = self.rows.entry(Arc::clone(&key)).or_default();
            if let Some(before) = before
                && history.is_empty()
            {
                history.push((0, before));
            }
            history.push((self.latest, value));
            self.order.push_back((self.latest, key));
        }
    }

    /// Shows all commits to new snapshots.
    pub(super) fn show(&mut self) {
        self.visible = self.latest;
    }

    /// Lists what the engine has to write to hold all commits.
    pub(super) fn changes(&self) -> Vec<Change> {
        let waiting = self.order.iter().rev().take_while(|(number, _)| *number > self.written);
        let keys: BTreeMap<&Arc<[u8]>, ()> = waiting.map(|(_, key)| (key, ())).collect();
        let change = |key: &Arc<[u8]>| {
            let history = self.rows.get(key)?;
            let held = history.iter().rev().find(|(number, _)| *number <= self.written);
            let before = held.and_then(|(_, value)| value.as_ref()).map(|value| value.len());
            let (_, value) = history.last()?;
            Some(Change { key: Arc::clone(key), before, value: value.clone() })
        };
        keys.into_keys().filter_map(change).collect()
    }

    /// Takes note that the engine holds all commits.
    pub(super) fn written(&mut self) {
        self.written = self.latest;
        self.pending = 0;
    }

    /// Forgets what no snapshot shows any more and the engine holds; the oldest snapshot shows commit `oldest`.
    pub(super) fn prune(&mut self, oldest: u64) {
        let limit = oldest.min(self.written).min(self.visible);
        while let Some((number, _)) = self.order.front()
            && *number <= limit
        {
            let Some((_, key)) = self.order.pop_front() else { break };
            let Some(history) = self.rows.get_mut(&key) else { continue };
            let first = history.partition_point(|(number, _)| *number <= limit).saturating_sub(1);
            history.drain(..first);
            if history.len() == 1 {
                self.rows.remove(&key);
            }
        }
    }

    /// Returns a row as of commit `at`; none when the engine has to be asked.
    pub(super) fn get(&self, key: &[u8], at: u64) -> Option<&Value> {
        visible(self.rows.get(key)?, at)
    }

    /// Walks over the rows between two bounds as of commit `at`. The bounds must not be upside down.
    pub(super) fn range<'a>(
        &'a self,
        from: Bound<&'a [u8]>,
        to: Bound<&'a [u8]>,
        at: u64,
    ) -> impl DoubleEndedIterator<Item = (&'a [u8], &'a Value)> {
        let rows = self.rows.range::<[u8], _>((from, to));
        rows.filter_map(move |(key, history)| Some((&**key, visible(history, at)?)))
    }

    /// Counts the rows kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
}

fn visible(history: &History, at: u64) -> Option<&Value> {
    history.iter().rev().find(|(number, _)| *number <= at).map(|(_, value)| value)
}

#[cfg(test)]
mod tests;
