//! Which faults a seed has, and how many.

use crate::simulator::Chance;
use std::time::Duration;

/// What goes wrong in one seed, and how often. Rates are in thousandths.
#[derive(Debug, Clone)]
pub(super) struct Faults {
    /// The first members.
    pub(super) founders: usize,
    /// Peers that may be added later.
    pub(super) spares: usize,
    pub(super) keys: usize,
    pub(super) clients: usize,
    /// What each client asks for.
    pub(super) requests: u64,
    /// Until everything heals.
    pub(super) duration: Duration,
    /// Longest usual time of the disk, in milliseconds.
    pub(super) disk: u64,
    /// Longest usual way of a message, in milliseconds.
    pub(super) way: u64,
    pub(super) lost: u32,
    /// Messages that take seconds.
    pub(super) slow: u32,
    pub(super) crashes: u64,
    pub(super) restarts: u64,
    pub(super) pauses: u64,
    pub(super) partitions: u64,
    pub(super) failed_writes: u64,
    pub(super) clock_jumps: u64,
    /// Disks that are replaced by empty ones.
    pub(super) lost_disks: u64,
    pub(super) member_changes: u64,
    /// Entries after which a snapshot is noted, and how many are kept behind it.
    pub(super) snapshot: (u64, u64),
    /// Reads that have to be up to date, besides those of the clients.
    pub(super) reads: u64,
}

/// More entries than any seed has.
const NO_SNAPSHOTS: u64 = 10_000;

impl Faults {
    /// Says whether a snapshot may take the place of entries.
    pub(super) fn has_snapshots(&self) -> bool {
        self.snapshot.0 < NO_SNAPSHOTS
    }

    pub(super) fn of(chance: &mut Chance) -> Self {
        // Some seeds are calm in some respects, so that every fault is also seen by itself.
        let mut up_to = |max: u64| if chance.permille(400) { 0 } else { chance.within(1..max + 1) };
        let (crashes, restarts, pauses, partitions) = (up_to(5), up_to(2), up_to(4), up_to(4));
        let (failed_writes, clock_jumps, member_changes) = (up_to(3), up_to(3), up_to(5));
        let (lost, slow) = (up_to(120) as u32, up_to(60) as u32);
        // A majority without it has to take its vote, and other changes would come in between.
        let lost_disks = if member_changes == 0 { chance.within(0..4) } else { 0 };
        let threshold = if chance.permille(600) { chance.within(5..40) } else { NO_SNAPSHOTS };
        Self {
            founders: if chance.permille(700) { 3 } else { 5 },
            spares: if member_changes == 0 { 0 } else { 1 + chance.index(2) },
            keys: 1 + chance.index(3),
            clients: 2 + chance.index(4),
            requests: chance.within(4..14),
            duration: Duration::from_millis(chance.within(3_000..9_000) + 1_500 * lost_disks),
            disk: chance.within(0..12),
            way: chance.within(1..20),
            lost,
            slow,
            crashes,
            restarts,
            pauses,
            partitions,
            failed_writes,
            clock_jumps,
            lost_disks,
            member_changes,
            snapshot: (threshold, threshold / 4),
            reads: chance.within(10..60),
        }
    }
}
