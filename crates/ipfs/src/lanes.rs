//! Bounded connections: how many calls of each class may be under way.

use crate::rpc::Deadline;
use tokio::sync::{Semaphore, SemaphorePermit};

/// A class of calls with a budget of its own, so that stuck calls of one class never starve another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// `pin/add`: minutes to days.
    Pin,
    /// `pin/rm`: up to hours when the daemon collects garbage.
    Unpin,
    /// Everything that should answer at once.
    Query,
    /// Listings of all pins, as slow as their reader.
    Listing,
    /// Connections the daemon is asked to make, which may take as long as a dead peer is waited for.
    Background,
    /// `repo/gc`: up to a day.
    Garbage,
    /// `block/put`: as long as somebody adds content.
    Blocks,
}

/// The budgets. A call that finds its lane full waits for its turn, within its own deadline.
#[derive(Debug)]
pub(crate) struct Lanes {
    pins: Semaphore,
    unpins: Semaphore,
    queries: Semaphore,
    listings: Semaphore,
    background: Semaphore,
    garbage: Semaphore,
    blocks: Semaphore,
}

impl Lanes {
    /// Shares out `connections`: half for pins, a quarter for queries, the rest for unpins, listings and hints. One
    /// more collects garbage: rare, long, and the daemon does it once at a time anyway. Up to a quarter more take blocks,
    /// for as long as somebody adds content.
    pub(crate) fn new(connections: usize) -> Self {
        let eighth = connections / 8;
        let sixteenth = (connections / 16).max(1);
        let unpins = eighth.max(1);
        let queries = (2 * eighth).max(1);
        let pins = connections.saturating_sub(unpins + queries + 2 * sixteenth).max(1);
        Self {
            pins: Semaphore::new(pins),
            unpins: Semaphore::new(unpins),
            queries: Semaphore::new(queries),
            listings: Semaphore::new(sixteenth),
            background: Semaphore::new(sixteenth),
            garbage: Semaphore::new(1),
            blocks: Semaphore::new(queries),
        }
    }

    /// Waits for a turn; `None` when there was none until `deadline`.
    pub(crate) async fn enter(&self, lane: Lane, deadline: Deadline) -> Option<SemaphorePermit<'_>> {
        let semaphore = match lane {
            Lane::Pin => &self.pins,
            Lane::Unpin => &self.unpins,
            Lane::Query => &self.queries,
            Lane::Listing => &self.listings,
            Lane::Background => &self.background,
            Lane::Garbage => &self.garbage,
            Lane::Blocks => &self.blocks,
        };
        // Nobody closes a semaphore; were it closed, the call would end like one that found no turn.
        tokio::time::timeout_at(deadline.at, semaphore.acquire()).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_exceed_the_whole_and_half_is_for_pins() {
        for connections in [8, 9, 15, 16, 20, 31, 32, 100, 1000] {
            let lanes = Lanes::new(connections);
            let all = [&lanes.pins, &lanes.unpins, &lanes.queries, &lanes.listings, &lanes.background]
                .map(Semaphore::available_permits);
            assert!(all.iter().sum::<usize>() <= connections, "{connections}: {all:?}");
            assert!(all.iter().all(|n| *n >= 1), "{connections}: {all:?}");
            assert!(all[0] >= connections / 2 - 1, "{connections}: {all:?}");
        }
    }
}
