//! What happened in one seed or in many.

use std::ops::AddAssign;

/// Counts of what happened; a run in which nothing happened proves nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Operations acknowledged.
    pub acknowledged: u64,
    /// Operations refused by a rule.
    pub rejected: u64,
    /// Operations whose outcome stayed unknown, or that were lost with their process.
    pub unknown: u64,
    /// Requests with an id that were recognised as repetitions.
    pub repeated: u64,
    /// Blocks written.
    pub blocks: u64,
    /// Blocks merged that somebody else wrote.
    pub merged: u64,
    /// Power failures.
    pub crashes: u64,
    /// Commits that failed.
    pub failed_commits: u64,
    /// Messages lost, to partitions included.
    pub lost_messages: u64,
    /// Recounts of a replica's rows.
    pub audits: u64,
    /// Virtual time, in milliseconds.
    pub millis: u64,
}

impl AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.rejected += other.rejected;
        self.unknown += other.unknown;
        self.repeated += other.repeated;
        self.blocks += other.blocks;
        self.merged += other.merged;
        self.crashes += other.crashes;
        self.failed_commits += other.failed_commits;
        self.lost_messages += other.lost_messages;
        self.audits += other.audits;
        self.millis += other.millis;
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} operations acknowledged, {} refused, {} unknown, {} recognised as repeated; {} blocks written, {} merged; {} power failures, {} failed commits, {} messages lost; {} recounts; {:.1} hours of virtual time",
            self.acknowledged,
            self.rejected,
            self.unknown,
            self.repeated,
            self.blocks,
            self.merged,
            self.crashes,
            self.failed_commits,
            self.lost_messages,
            self.audits,
            self.millis as f64 / 3_600_000.0
        )
    }
}
