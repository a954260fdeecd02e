//! Which keyspace of the engine holds which tree, and how each keyspace is tuned.

use super::MemoryBudget;
use cluster_core::ports::datastore::Tree;
use fjall::KeyspaceCreateOptions;
use fjall::compaction::Leveled;
use fjall::config::{
    BlockSizePolicy, BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry,
};
use std::sync::Arc;

/// A keyspace: a log-structured tree of its own. Each costs memory and start-up time, so trees share them; the key's
/// first byte is the number of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Space {
    Pins = 0,
    Tracker = 1,
    Indexes = 2,
    Elements = 3,
    Blocks = 4,
    Events = 5,
    Small = 6,
}

impl Space {
    pub(super) const ALL: [Self; 7] =
        [Self::Pins, Self::Tracker, Self::Indexes, Self::Elements, Self::Blocks, Self::Events, Self::Small];

    /// Returns the keyspace that holds `tree`; stable for ever.
    pub(super) fn of(tree: Tree) -> Self {
        match tree {
            Tree::Pins => Self::Pins,
            Tree::Tracker => Self::Tracker,
            Tree::ByPeer
            | Tree::ByExpiry
            | Tree::ByName
            | Tree::ByMeta
            | Tree::ByCreated
            | Tree::ByStatus
            | Tree::ByNextAttempt => Self::Indexes,
            Tree::Elements | Tree::Tombstones => Self::Elements,
            Tree::Blocks | Tree::RaftLog => Self::Blocks,
            Tree::Events => Self::Events,
            Tree::Meta
            | Tree::Counters
            | Tree::Requests
            | Tree::Fingerprint
            | Tree::Heads
            | Tree::Merged
            | Tree::Frontier
            | Tree::Pending
            | Tree::RaftState => Self::Small,
        }
    }

    /// Returns the engine's name of the keyspace; stable for ever.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pins => "pins",
            Self::Tracker => "tracker",
            Self::Indexes => "indexes",
            Self::Elements => "elements",
            Self::Blocks => "blocks",
            Self::Events => "events",
            Self::Small => "small",
        }
    }

    /// Tunes the keyspace.
    pub(super) fn options(self, budget: MemoryBudget) -> KeyspaceCreateOptions {
        let memtable = budget.memtable(self);
        let options = KeyspaceCreateOptions::default()
            // Never full by the engine's measure: the store hands buffers over, at the size that the budget gives them.
            .max_memtable_size(u64::MAX)
            .data_block_size_policy(BlockSizePolicy::all(8 * 1024))
            .data_block_compression_policy(CompressionPolicy::all(fjall::CompressionType::Lz4))
            .compaction_strategy(Arc::new(
                Leveled::default().with_l0_threshold(4).with_table_target_size(memtable.max(4 * 1024 * 1024)),
            ));
        match self {
            // Point reads that mostly miss (is this pinned, was this merged): every level carries a filter.
            Self::Pins | Self::Tracker | Self::Elements | Self::Small => options.filter_policy(
                FilterPolicy::all(FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(10.0))),
            ),
            // Point reads that hit.
            Self::Blocks => options.expect_point_read_hits(true),
            // Ranges only.
            Self::Indexes | Self::Events => options.filter_policy(FilterPolicy::disabled()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_are_numbered_in_order() {
        for (index, space) in Space::ALL.into_iter().enumerate() {
            assert_eq!(space as usize, index);
        }
    }
}
