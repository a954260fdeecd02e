//! How far a follower is, in figures.

use cluster_consensus::crdt::WalkProgress;
use cluster_core::{TrackerStatus, ports::browse_api::Totals};
use std::fmt;

/// How far a follower is: what is here of the cluster's history, a DAG of blocks, and what became of the pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyncFigures {
    /// Blocks merged.
    pub merged: u64,
    /// Blocks known of that are not here yet. Below them there may be more.
    pub missing: u64,
    /// Pins in the pinset.
    pub pins: u64,
    /// Pins that the IPFS daemon holds.
    pub pinned: u64,
    /// Pins that it works on, or that wait for it.
    pub pinning: u64,
    /// Pins, and removals of such, that failed and are tried again.
    pub errors: u64,
}

impl SyncFigures {
    /// Counts pins by their statuses on this peer.
    pub fn with_statuses(self, statuses: impl IntoIterator<Item = (TrackerStatus, u64)>) -> Self {
        statuses.into_iter().fold(self, |mut figures, (status, total)| {
            match status {
                TrackerStatus::Pinned => figures.pinned += total,
                TrackerStatus::Pinning | TrackerStatus::PinQueued | TrackerStatus::UnexpectedlyUnpinned => {
                    figures.pinning += total
                }
                TrackerStatus::PinError | TrackerStatus::UnpinError | TrackerStatus::ClusterError => {
                    figures.errors += total;
                }
                TrackerStatus::Undefined
                | TrackerStatus::Unpinned
                | TrackerStatus::Unpinning
                | TrackerStatus::UnpinQueued
                | TrackerStatus::Remote
                | TrackerStatus::Sharded => {}
            }
            figures
        })
    }

    /// Says whether anything was heard of the cluster, now or earlier.
    pub(super) fn is_anything_known(&self) -> bool {
        self.merged + self.missing > 0
    }

    /// Says whether nothing is left to be done: every block known of is here, and every pin was tried.
    pub(super) fn is_settled(&self) -> bool {
        self.merged > 0 && self.missing == 0 && self.pinning == 0
    }

    /// Counts the pins that nothing is left to be done for.
    pub(super) fn settled_pins(&self) -> u64 {
        self.pins.saturating_sub(self.pinning)
    }
}

impl From<&(WalkProgress, Totals)> for SyncFigures {
    fn from((walks, totals): &(WalkProgress, Totals)) -> Self {
        let pins = totals.kinds.iter().map(|(_, total)| total).sum();
        let figures = Self { merged: walks.merged, missing: walks.missing, pins, ..Self::default() };
        figures.with_statuses(totals.statuses.iter().copied())
    }
}

impl fmt::Display for SyncFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { merged, missing, pins, pinned, pinning, errors } = self;
        let known = merged + missing;
        write!(f, "{pins} pins: {pinned} pinned, {pinning} pinning, {errors} errors")?;
        write!(f, " | {known} blocks: {merged} merged, {missing} missing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pin_that_waits_or_failed_is_counted() {
        let statuses = TrackerStatus::ALL.into_iter().map(|status| (status, u64::from(status.bit())));
        let figures = SyncFigures { merged: 7, missing: 2, pins: 9, ..SyncFigures::default() };
        let pinning = TrackerStatus::Pinning.bit()
            + TrackerStatus::PinQueued.bit()
            + TrackerStatus::UnexpectedlyUnpinned.bit();
        let errors = TrackerStatus::PinError.bit()
            + TrackerStatus::UnpinError.bit()
            + TrackerStatus::ClusterError.bit();
        let pinned = TrackerStatus::Pinned.bit();
        assert_eq!(
            figures.with_statuses(statuses).to_string(),
            format!(
                "9 pins: {pinned} pinned, {pinning} pinning, {errors} errors | 9 blocks: 7 merged, 2 missing"
            )
        );
    }
}
