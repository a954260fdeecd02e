//! How often deltas may be written while peers are connected that take few of them.
//!
//! A peer of the Go suite keeps 32 announcements and takes about 50 blocks a second (wire-protocol §4.11); what comes
//! faster it loses until the next broadcast of heads.

use cluster_core::{PeerId, UnixMillis};
use std::{collections::BTreeMap, time::Duration};

/// How long a writer counts after its last new head.
const WRITER_COUNTS: Duration = Duration::from_secs(10);

/// Writers remembered; more would make the share immeasurably small.
const MAX_WRITERS: usize = 1024;

/// Knows who writes, and so this peer's share.
#[derive(Debug)]
pub(super) struct Pace {
    per_delta: Duration,
    slow_peers: bool,
    writers: BTreeMap<PeerId, UnixMillis>,
}

impl Pace {
    pub(super) fn new(per_delta: Duration) -> Self {
        Self { per_delta, slow_peers: false, writers: BTreeMap::new() }
    }

    pub(super) fn set_slow_peers(&mut self, connected: bool) {
        self.slow_peers = connected;
    }

    /// Notes that another peer announced a head that was new here.
    pub(super) fn on_writer(&mut self, author: PeerId, now: UnixMillis) {
        if self.writers.len() >= MAX_WRITERS {
            self.writers.retain(|_, heard| now.since(*heard) < WRITER_COUNTS);
        }
        if self.writers.len() < MAX_WRITERS {
            self.writers.insert(author, now);
        }
    }

    /// Returns the least time between two deltas of this peer; `None` when nobody is slow.
    pub(super) fn interval(&self, now: UnixMillis) -> Option<Duration> {
        let others = self.writers.values().filter(|heard| now.since(**heard) < WRITER_COUNTS).count();
        let writers = u32::try_from(others + 1).unwrap_or(u32::MAX);
        self.slow_peers.then(|| self.per_delta.saturating_mul(writers))
    }
}
