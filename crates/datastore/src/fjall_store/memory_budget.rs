//! The one knob: how much memory the engine may use.

use super::layout::Space;

const MIB: u64 = 1024 * 1024;
/// Least block cache that still helps, in bytes.
const SMALLEST_CACHE: u64 = 4 * MIB;
/// Smallest memtable, in bytes: smaller ones make more tables than compaction can take away.
const SMALLEST_MEMTABLE: u64 = MIB;

/// Divides a number of bytes among the engine's buffers.
///
/// One sixth is the block cache. A third is write buffers (memtables) as the engine counts them, which is about half
/// of what they occupy; twice that much exists for a moment while full ones are written out. The rest is slack for
/// filters, table indexes and compaction.
///
/// Cache and buffers follow the budget at every start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBudget {
    bytes: u64,
}

impl MemoryBudget {
    /// Makes a budget of `bytes`.
    pub fn new(bytes: u64) -> Self {
        Self { bytes }
    }

    /// Returns the size of the block cache, in bytes.
    pub fn block_cache(self) -> u64 {
        (self.bytes / 6).max(SMALLEST_CACHE)
    }

    /// Returns the size at which the write buffer of a keyspace is written out, in bytes.
    pub(super) fn memtable(self, space: Space) -> u64 {
        let share = match space {
            Space::Pins | Space::Tracker | Space::Indexes | Space::Elements => 5,
            Space::Blocks => 5,
            Space::Events => 3,
            Space::Small => 4,
        };
        (self.bytes / 3 * share / 32).max(SMALLEST_MEMTABLE)
    }
}
