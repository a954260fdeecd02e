//! Metrics: what peers tell of themselves (wire-protocol §3.5, api §10.5).

use crate::UnixMillis;
use libp2p_identity::PeerId;

/// Name of the metric that makes a peer a member.
pub const PING: &str = "ping";

/// Nanoseconds since the Unix epoch, as metrics carry them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixNanos(pub i64);

impl UnixNanos {
    /// Widens a time in milliseconds, saturating.
    pub fn from_millis(at: UnixMillis) -> Self {
        Self(i64::try_from(at.0).unwrap_or(i64::MAX).saturating_mul(1_000_000))
    }

    /// Cuts to milliseconds; times before the epoch are the epoch.
    pub fn millis(self) -> UnixMillis {
        UnixMillis(u64::try_from(self.0 / 1_000_000).unwrap_or(0))
    }
}

/// One measurement of one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// Such as `ping`, `freespace` or `tag:group`.
    pub name: String,
    /// The peer measured, which is the one that told.
    pub peer: PeerId,
    /// The value.
    pub value: String,
    /// Until when it holds, by the clock of its peer.
    pub expires: UnixNanos,
    /// Whether it holds at all.
    pub valid: bool,
    /// Rank for allocation: more is better.
    pub weight: i64,
    /// Whether peers of one value form a group.
    pub partitionable: bool,
    /// When it arrived here; 0 in a metric that was never sent.
    pub received_at: UnixNanos,
}

impl Metric {
    /// Says whether the metric counts at `now`.
    pub fn counts_at(&self, now: UnixMillis) -> bool {
        self.valid && UnixNanos::from_millis(now) <= self.expires
    }
}
