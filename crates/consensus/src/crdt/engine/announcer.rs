//! When own writes are announced: at once after a quiet time, else the last one of a short while.

use crate::crdt::BlockId;
use cluster_core::UnixMillis;
use std::time::Duration;

/// Holds back announcements that another one follows soon.
#[derive(Debug)]
pub(super) struct Announcer {
    interval: Duration,
    waiting: Option<BlockId>,
    not_before: UnixMillis,
}

impl Announcer {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, waiting: None, not_before: UnixMillis(0) }
    }

    /// Notes a new head, which follows the one before.
    pub(super) fn on_head(&mut self, head: BlockId) {
        self.waiting = Some(head);
    }

    pub(super) fn deadline(&self) -> Option<UnixMillis> {
        self.waiting.map(|_| self.not_before)
    }

    /// Returns the head to announce now.
    pub(super) fn turn(&mut self, now: UnixMillis) -> Option<BlockId> {
        if self.not_before > now {
            return None;
        }
        let head = self.waiting.take()?;
        self.not_before = now.plus(self.interval);
        Some(head)
    }
}
