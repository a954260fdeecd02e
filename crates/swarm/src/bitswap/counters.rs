//! Counts what happened, for the operator and for tests.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What the exchange of blocks did since it was started.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct BitswapCounters {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: Counter,)*
        }

        impl Counters {
            /// Reads all counters, each by itself.
            pub(super) fn read(&self) -> BitswapCounters {
                BitswapCounters { $($name: self.$name.0.load(Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Blocks that were asked for and came.
    blocks_received,
    /// Blocks that came without being asked for and were kept for later.
    blocks_kept,
    /// Blocks that were fetched out of those kept.
    blocks_kept_used,
    /// Blocks that nobody asked for (any more), dropped.
    blocks_unwanted,
    /// Blocks whose kind of hash is not that of the DAG, dropped.
    blocks_foreign,
    /// Blocks sent because they were asked for.
    blocks_sent,
    /// Blocks sent before they were asked for.
    blocks_sent_ahead,
    /// Messages with wants written.
    want_messages_sent,
    /// Messages with answers written.
    answer_messages_sent,
    /// Inbound streams dropped because their peer is not connected or has too many.
    streams_refused,
    /// Inbound streams dropped because of bytes that are no message.
    streams_garbage,
    /// Inbound streams dropped because a message took too long.
    streams_slow,
    /// Entries of messages skipped because there were too many.
    entries_skipped,
    /// Wants of other peers dropped: too many, or the peer does not take its answers.
    wants_dropped,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// Adds to the number.
    pub(super) fn add(&self, count: usize) {
        if count > 0 {
            self.0.fetch_add(count as u64, Relaxed);
        }
    }
}
