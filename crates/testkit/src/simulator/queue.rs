//! What happens, and when.

use super::client::Request;
use cluster_consensus::crdt::{BlockId, CrdtInput};
use cluster_core::{PeerId, PinKey, UnixMillis, pinset::TrackerInput, tracker::Action};
use std::{cmp::Reverse, collections::BinaryHeap};

/// Names a replica.
pub(super) type Peer = usize;

/// One thing that happens to a replica. Those with a `life` are for the process that caused them and die with it.
#[derive(Debug)]
pub(super) enum Happening {
    /// A client thinks of something.
    Client,
    /// A client asks for a change.
    Request(Request),
    /// A broadcast arrives.
    Gossip { author: PeerId, payload: Vec<u8> },
    /// A question for a block has reached the others.
    Ask { life: u32, id: BlockId },
    /// The answer is here; `None` when nobody has the block.
    Answer { life: u32, id: BlockId, bytes: Option<Vec<u8>> },
    /// An input of the engine reaches the writer.
    Stage { life: u32, input: CrdtInput },
    /// A transition reaches the writer.
    Transition { life: u32, input: TrackerInput },
    /// The writer commits.
    Commit { life: u32 },
    /// The engine's deadline.
    EngineTick { life: u32 },
    /// The tracker looks at the clock.
    TrackerTick { life: u32 },
    /// A request of the IPFS daemon ends.
    JobEnd { life: u32, key: PinKey, revision: u64, action: Action },
    /// The store is tried again after a failed write.
    Recover { life: u32 },
    /// The power fails.
    Crash,
    /// The process starts.
    Start,
    /// The books are recounted.
    Audit,
    /// The network falls apart; the peer does not matter.
    Split,
    /// The network is whole again; the peer does not matter.
    Join,
}

struct Entry {
    at: UnixMillis,
    number: u64,
    peer: Peer,
    happening: Happening,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// Everything that is going to happen, in order; what is due at one time happens in the order of planning.
#[derive(Default)]
pub(super) struct Queue {
    entries: BinaryHeap<Reverse<Entry>>,
    number: u64,
}

impl Queue {
    pub(super) fn plan(&mut self, at: UnixMillis, peer: Peer, happening: Happening) {
        self.number += 1;
        self.entries.push(Reverse(Entry { at, number: self.number, peer, happening }));
    }

    pub(super) fn next(&mut self) -> Option<(UnixMillis, Peer, Happening)> {
        self.entries.pop().map(|Reverse(entry)| (entry.at, entry.peer, entry.happening))
    }

    pub(super) fn next_at(&self) -> Option<UnixMillis> {
        self.entries.peek().map(|Reverse(entry)| entry.at)
    }
}
