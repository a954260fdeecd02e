//! Which moments open snapshots show.

use std::collections::BTreeMap;

/// The open snapshots of an engine.
#[derive(Debug, Default)]
pub(super) struct Views {
    /// Commits that are shown, with the count of the snapshots.
    open: BTreeMap<u64, usize>,
    /// Snapshots that may stay for minutes.
    long: usize,
}

impl Views {
    /// Notes a snapshot of commit `at`.
    pub(super) fn add(&mut self, at: u64, is_long: bool) {
        *self.open.entry(at).or_default() += 1;
        self.long += usize::from(is_long);
    }

    /// Forgets it.
    pub(super) fn remove(&mut self, at: u64, is_long: bool) {
        self.long -= usize::from(is_long);
        if let Some(count) = self.open.get_mut(&at) {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&at);
            }
        }
    }

    /// Returns the oldest commit that is shown.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.open.keys().next().copied()
    }

    /// Says whether one of them may stay for minutes.
    pub(super) fn any_long(&self) -> bool {
        self.long > 0
    }
}
