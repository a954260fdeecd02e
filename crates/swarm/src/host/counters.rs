//! What the host refused or dropped, and the holes it punched.

use super::bandwidth::Bandwidth;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Returns how many there were.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn increase(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts of everything that was refused or dropped since the start, and of what saved a relay its work.
#[derive(Debug, Default)]
pub struct SwarmCounters {
    /// Connections refused by a limit, inbound and outbound.
    pub refused_connections: Counter,
    /// Connections that could not be accepted, most likely because files ran out.
    pub failed_accepts: Counter,
    /// Connections closed because there were too many.
    pub trimmed_connections: Counter,
    /// Handshakes that broke after somebody answered.
    pub handshake_failures: Counter,
    /// Log lines written about them.
    pub handshake_warnings: Counter,
    /// Peers with our secret that listen to the heads of another cluster, or of none.
    pub foreign_topics: Counter,
    /// Streams of peers dropped because too many were open.
    pub dropped_inbound_streams: Counter,
    /// Streams to peers not opened because too many were waiting.
    pub refused_outbound_streams: Counter,
    /// Messages on the topic of heads that were rejected.
    pub rejected_heads: Counter,
    /// Messages on the topic of metrics that were rejected.
    pub rejected_metrics: Counter,
    /// Messages that could not be judged.
    pub ignored_gossip: Counter,
    /// Own messages that did not leave: nobody listened, or a queue was full.
    pub dropped_publishes: Counter,
    /// Announcements of the local network dropped because the host was busy.
    pub dropped_discoveries: Counter,
    /// Connections straight to a peer that a relay led to.
    pub punched_holes: Counter,
    pub(super) bandwidth: Bandwidth,
}
