//! What happened in one seed or in many.

use std::ops::AddAssign;

/// Counts of what happened; a run in which nothing happened proves nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RaftSummary {
    /// Changes acknowledged.
    pub acknowledged: u64,
    /// Changes refused by a rule.
    pub rejected: u64,
    /// Changes with an unknown outcome.
    pub unknown: u64,
    /// Requests that were recognised as repetitions.
    pub repeated: u64,
    /// Reads that were up to date.
    pub strong_reads: u64,
    /// Reads of a peer's own store.
    pub local_reads: u64,
    /// Calls of a peer that arrived.
    pub messages: u64,
    /// Calls and answers that were lost.
    pub lost_messages: u64,
    /// Power failures.
    pub crashes: u64,
    /// Orderly restarts.
    pub restarts: u64,
    /// Disks that were replaced by empty ones.
    pub lost_disks: u64,
    /// Writes that failed.
    pub failed_writes: u64,
    /// Changes of the members.
    pub member_changes: u64,
    /// Times that the leader changed.
    pub leaders: u64,
    /// Virtual time, in milliseconds.
    pub millis: u64,
    /// A digest of everything that happened, in its order.
    pub course: u64,
}

impl AddAssign for RaftSummary {
    fn add_assign(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.rejected += other.rejected;
        self.unknown += other.unknown;
        self.repeated += other.repeated;
        self.strong_reads += other.strong_reads;
        self.local_reads += other.local_reads;
        self.messages += other.messages;
        self.lost_messages += other.lost_messages;
        self.crashes += other.crashes;
        self.restarts += other.restarts;
        self.lost_disks += other.lost_disks;
        self.failed_writes += other.failed_writes;
        self.member_changes += other.member_changes;
        self.leaders += other.leaders;
        self.millis += other.millis;
        // Of several courses in any order.
        self.course = self.course.wrapping_add(other.course);
    }
}

impl std::fmt::Display for RaftSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} changes acknowledged, {} refused, {} unknown, {} recognised as repeated; {} strong and {} local reads; {} messages, {} lost; {} power failures, {} restarts, {} lost disks, {} failed writes, {} changes of members, {} leaders; {:.1} hours of virtual time; course {:016x}",
            self.acknowledged,
            self.rejected,
            self.unknown,
            self.repeated,
            self.strong_reads,
            self.local_reads,
            self.messages,
            self.lost_messages,
            self.crashes,
            self.restarts,
            self.lost_disks,
            self.failed_writes,
            self.member_changes,
            self.leaders,
            self.millis as f64 / 3_600_000.0,
            self.course,
        )
    }
}
