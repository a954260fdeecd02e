//! The logical trees of a peer's state (architecture §3, "Layout of stored state").

/// A logical tree. Engines map several of them onto one keyspace where that saves memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Tree {
    /// Format version, consensus kind, identities, index versions, positions.
    Meta = 0,
    /// `PinKey` → version byte ‖ winning value.
    Pins = 1,
    /// Peer ‖ `PinKey` → (): repair of one peer.
    ByPeer = 2,
    /// Expiry ‖ `PinKey` → ().
    ByExpiry = 3,
    /// Name ‖ `PinKey` → ().
    ByName = 4,
    /// Metadata ‖ `PinKey` → ().
    ByMeta = 5,
    /// Creation time ‖ `PinKey` → ().
    ByCreated = 6,
    /// `PinKey` → state of the pin on this peer.
    Tracker = 7,
    /// State ‖ `PinKey` → ().
    ByStatus = 8,
    /// Time ‖ `PinKey` → (): rows in back-off only.
    ByNextAttempt = 9,
    /// Name → integer.
    Counters = 10,
    /// Caller's idempotency key → hash of the request, outcome.
    Requests = 11,
    /// Sequence number → changes.
    Events = 12,
    /// Bucket → set hashes.
    Fingerprint = 13,
    /// `PinKey` ‖ block → priority and, unless it won, value.
    Elements = 14,
    /// `PinKey` ‖ block → ().
    Tombstones = 15,
    /// Block → height.
    Heads = 16,
    /// Block → facts about a merged block.
    Merged = 17,
    /// Block → its bytes.
    Blocks = 18,
    /// Open walks and the blocks they miss.
    Frontier = 19,
    /// `PinKey` → accepted operation that no delta carries yet.
    Pending = 20,
    /// Raft: index → log entry.
    RaftLog = 21,
    /// Raft: vote, applied index, snapshot position.
    RaftState = 22,
}

impl Tree {
    /// Every tree, in number order.
    pub const ALL: [Self; 23] = [
        Self::Meta,
        Self::Pins,
        Self::ByPeer,
        Self::ByExpiry,
        Self::ByName,
        Self::ByMeta,
        Self::ByCreated,
        Self::Tracker,
        Self::ByStatus,
        Self::ByNextAttempt,
        Self::Counters,
        Self::Requests,
        Self::Events,
        Self::Fingerprint,
        Self::Elements,
        Self::Tombstones,
        Self::Heads,
        Self::Merged,
        Self::Blocks,
        Self::Frontier,
        Self::Pending,
        Self::RaftLog,
        Self::RaftState,
    ];

    /// Returns the stored number of the tree; stable for ever.
    pub fn number(self) -> u8 {
        self as u8
    }
}
