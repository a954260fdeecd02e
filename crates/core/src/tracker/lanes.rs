//! The look-ahead of the queues: which keys come next.
//!
//! Each lane keeps a bounded list of keys in the order in which they were queued. What does not fit is not lost:
//! it stands in `by-status`, and a sweep through the lane's rows finds it, in key order, and once more from the start
//! when something did not fit behind it, so that nobody waits for ever.

use crate::{
    PinKey,
    pinset::{TrackedState, TrackerRow},
    ports::datastore::{Snapshot, StoreError, Tree, prefix_end},
};
use std::{collections::VecDeque, ops::Bound};

/// Keys that a lane remembers in order; those beyond are found by the sweep.
const LOOK_AHEAD: usize = 4096;

/// Rows that one step of a sweep reads.
const SWEEP_PAGE: usize = 256;

/// The queue of rows in one state.
#[derive(Debug)]
pub(super) struct Lane {
    state: TrackedState,
    next: VecDeque<PinKey>,
    /// Where the sweep is; `None` when every queued row is in `next`.
    sweep: Option<Vec<u8>>,
    /// Whether a key did not fit whose row the sweep has passed.
    passed: bool,
}

impl Lane {
    /// Starts with a sweep: nothing is known of what an earlier process left.
    pub(super) fn new(state: TrackedState) -> Self {
        Self { state, next: VecDeque::new(), sweep: Some(vec![state.number()]), passed: false }
    }

    /// Sweeps through the whole lane again.
    pub(super) fn restart(&mut self) {
        self.sweep = Some(vec![self.state.number()]);
        self.passed = false;
    }

    /// Appends a key that was queued just now.
    pub(super) fn push(&mut self, key: PinKey) {
        if self.next.len() < LOOK_AHEAD {
            return self.next.push_back(key);
        }
        match &self.sweep {
            None => self.restart(),
            Some(at) => self.passed |= TrackerRow::status_key(self.state, &key) <= *at,
        }
    }

    /// Takes the next key; it may have left the lane meanwhile, so the caller looks at its row. Without a key pushed in
    /// between, this comes to an end: rows that `view` shows are found twice at most.
    pub(super) fn pop(&mut self, view: &dyn Snapshot) -> Result<Option<PinKey>, StoreError> {
        if self.next.is_empty() {
            self.sweep_on(view)?;
        }
        Ok(self.next.pop_front())
    }

    fn sweep_on(&mut self, view: &dyn Snapshot) -> Result<(), StoreError> {
        let Some(from) = self.sweep.take() else { return Ok(()) };
        let prefix = [self.state.number()];
        let end = prefix_end(&prefix);
        let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let rows = view.page(Tree::ByStatus, Bound::Excluded(&from), to, SWEEP_PAGE)?;
        if rows.len() == SWEEP_PAGE {
            self.sweep = rows.last().map(|(key, _)| key.clone());
        } else if self.passed {
            self.restart();
        }
        self.next.extend(rows.iter().filter_map(|(key, _)| PinKey::from_bytes(key.get(1..)?).ok()));
        Ok(())
    }
}
