//! The Merkle-CRDT's part of the pinset's writer.

use super::{
    BlockId, Causes, Mark,
    rows::{ElementRow, OpenRemovalRow, PendingRow, WalkRow, decode_height},
};
use cluster_core::{
    PinKey, UnixMillis,
    pinset::{
        Backend, RowReader, RowWriter, Staged,
        backend::{Accepted, Books},
        counters::{Counter, Counters},
        mutation::Mutation,
    },
    ports::datastore::{Snapshot, StoreError, Tree},
};
use std::collections::BTreeMap;

/// Walks open at once. Heads that come beyond that are passed over: whoever has them announces them again.
pub const MAX_OPEN_WALKS: usize = 1024;

const VERSION: u8 = 1;
const MAX_PRIORITY_KEY: &[u8] = b"crdt/max-priority";
const NEXT_WALK_KEY: &[u8] = b"crdt/next-walk";

/// When an accepted operation becomes part of a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// In the batch that accepts it.
    Immediate,
    /// When [`CrdtInput::Pack`] says so. The operation is durable and visible all the same.
    Deferred,
}

/// What the worker tells the backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrdtInput {
    /// Fetch what is missing below merged blocks.
    Repair {
        /// Blocks that are merged, but whose bytes are gone.
        lost: Vec<BlockId>,
        /// Blocks that a merged one links to and that were never here.
        holes: Vec<BlockId>,
    },
    /// What an operator marked was acted upon.
    ClearMark,
    /// A block arrived: one that an open walk misses, or a head, which opens a walk.
    Block {
        /// Its name.
        id: BlockId,
        /// Its bytes, which hash to the name.
        bytes: Vec<u8>,
    },
    /// Put what waits into a delta.
    Pack,
    /// Write a delta that changes nothing here, and links to these blocks and repeats these removals: a peer that takes the
    /// blocks' followers for complete and lacks them fetches them now, and one that removes looks at what is left.
    Retell(Causes),
    /// From now on pack in this way; what waits is packed once nothing defers.
    SetPacking(Packing),
    /// The first walk makes no progress: stop holding operations back for it.
    WalkStalled,
}

/// What the backend wants done once the batch is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrdtOutput {
    /// Announce a new head.
    Announce(BlockId),
    /// Get these blocks.
    Fetch(Vec<BlockId>),
    /// Operations wait for a delta, or no longer do.
    Waiting {
        /// How many.
        operations: u64,
        /// Whether they wait for a first walk to end or to stall; until then packing is in vain.
        held: bool,
    },
    /// A block that was handed in is merged, now or before, or is no block at all.
    Taken(BlockId),
    /// A walk ended and its root became a head.
    WalkEnded(BlockId),
}

/// The Merkle-CRDT's books. In memory it holds heads, open walks and what the batch at hand will pack; never the
/// pinset.
#[derive(Debug)]
pub struct CrdtBackend {
    configured: Packing,
    pub(super) walk_stalled: bool,
    pub(super) pack_now: bool,
    /// There are removals that first walks go on with.
    pub(super) open_removals: bool,
    /// What the next delta tells once more.
    pub(super) retell: Causes,
    /// Operations of the batch at hand, when they are packed in it.
    pub(super) open: BTreeMap<PinKey, PendingRow>,
    /// Whether the worker was last told that operations wait.
    waiting_told: bool,
    /// Rows of `pending`.
    pub(super) pending_rows: u64,
    pub(super) head_heights: BTreeMap<BlockId, u64>,
    pub(super) walks: BTreeMap<u64, WalkRow>,
    pub(super) next_walk: u64,
    pub(super) max_priority: u64,
    pub(super) outputs: Vec<CrdtOutput>,
    /// Whether the batch that was sealed last holds a block of this peer.
    pub(super) packed: bool,
    /// A walk ended in the batch at hand: readers and events wait for it.
    pub(super) urgent: bool,
}

impl CrdtBackend {
    /// Makes a backend that packs as told.
    pub fn new(packing: Packing) -> Self {
        Self {
            configured: packing,
            walk_stalled: false,
            pack_now: false,
            open_removals: false,
            retell: Causes::default(),
            open: BTreeMap::new(),
            waiting_told: false,
            pending_rows: 0,
            head_heights: BTreeMap::new(),
            walks: BTreeMap::new(),
            next_walk: 1,
            max_priority: 0,
            outputs: Vec::new(),
            packed: false,
            urgent: false,
        }
    }

    /// Says whether operations wait as rows: by configuration, by rate, or because a first walk has not yet
    /// shown how high the priorities are.
    pub(super) fn defers(&self) -> bool {
        self.configured == Packing::Deferred || self.is_held()
    }

    /// Says whether a first walk keeps operations from being packed: it has not yet shown how high the
    /// priorities are, nor all that a removal has to cover.
    pub(super) fn is_held(&self) -> bool {
        !self.walk_stalled && self.walks.values().any(|walk| walk.first)
    }

    /// Returns the heads, in ascending order.
    pub fn heads(&self) -> Vec<BlockId> {
        self.head_heights.keys().copied().collect()
    }

    /// Returns the greatest priority seen.
    pub fn max_priority(&self) -> u64 {
        self.max_priority
    }

    /// Returns the height of the highest head; 0 when there is none.
    pub fn height(&self) -> u64 {
        self.head_heights.values().copied().max().unwrap_or(0)
    }

    /// Counts the open walks.
    pub fn open_walks(&self) -> usize {
        self.walks.len()
    }

    pub(super) fn put_max_priority(&mut self, staged: &mut Staged, seen: u64) {
        if seen > self.max_priority {
            self.max_priority = seen;
            staged.put(Tree::Meta, MAX_PRIORITY_KEY.to_vec(), RowWriter::new(VERSION).int(seen).finish());
        }
    }

    pub(super) fn take_walk_number(&mut self, staged: &mut Staged) -> u64 {
        let walk = self.next_walk;
        self.next_walk += 1;
        staged.put(Tree::Meta, NEXT_WALK_KEY.to_vec(), RowWriter::new(VERSION).int(self.next_walk).finish());
        walk
    }
}

fn read_int(staged: &Staged, key: &[u8]) -> Result<Option<u64>, StoreError> {
    Ok(staged.get(Tree::Meta, key)?.as_deref().and_then(decode_int))
}

fn decode_int(row: &[u8]) -> Option<u64> {
    RowReader::new(row, VERSION).and_then(|mut r| r.int())
}

/// Reads the greatest priority seen; 0 when there is no block.
pub(super) fn max_priority(view: &dyn Snapshot) -> Result<u64, StoreError> {
    Ok(view.get(Tree::Meta, MAX_PRIORITY_KEY)?.as_deref().and_then(decode_int).unwrap_or(0))
}

impl Backend for CrdtBackend {
    type Input = CrdtInput;
    type Output = CrdtOutput;

    fn reload(&mut self, staged: &Staged, counters: &Counters) -> Result<(), StoreError> {
        self.open.clear();
        self.outputs.clear();
        self.urgent = false;
        self.pack_now = false;
        self.retell = Causes::default();
        self.open_removals = !staged.range(Tree::Frontier, OpenRemovalRow::PREFIX, 1)?.is_empty();
        self.pending_rows = counters.get(Counter::Pending);
        self.waiting_told = self.pending_rows > 0;
        self.max_priority = read_int(staged, MAX_PRIORITY_KEY)?.unwrap_or(0);
        self.next_walk = read_int(staged, NEXT_WALK_KEY)?.unwrap_or(1);
        let heads = staged.prefix(Tree::Heads, &[])?;
        self.head_heights =
            heads.iter().filter_map(|(k, v)| Some((BlockId::from_slice(k)?, decode_height(v)?))).collect();
        let walks = staged.prefix(Tree::Frontier, b"w")?;
        self.walks = walks
            .iter()
            .filter_map(|(k, v)| {
                Some((u64::from_be_bytes(k.get(1..)?.try_into().ok()?), WalkRow::decode(v)?))
            })
            .collect();
        Ok(())
    }

    fn accept(&mut self, books: Books<'_>, change: Accepted<'_>, now: UnixMillis) -> Result<(), StoreError> {
        self.note(books, change, now)
    }

    fn apply(
        &mut self,
        mutation: &mut Mutation<'_>,
        input: CrdtInput,
        _: UnixMillis,
    ) -> Result<(), StoreError> {
        match input {
            CrdtInput::Repair { lost, holes } => self.repair(mutation, &lost, &holes),
            CrdtInput::ClearMark => {
                Mark::clear(mutation.staged);
                Ok(())
            }
            CrdtInput::Block { id, bytes } => self.take_block(mutation, id, bytes),
            CrdtInput::Pack => {
                self.pack_now = true;
                Ok(())
            }
            CrdtInput::Retell(causes) => {
                for id in causes.blocks {
                    if mutation.staged.has(Tree::Merged, &id.0)? {
                        self.retell.blocks.insert(id);
                    }
                }
                for (key, block) in causes.removed {
                    if mutation.staged.has(Tree::Tombstones, &ElementRow::key(&key, &block))? {
                        self.retell.removed.push((key, block));
                    }
                }
                Ok(())
            }
            CrdtInput::SetPacking(packing) => {
                self.configured = packing;
                Ok(())
            }
            CrdtInput::WalkStalled => {
                self.walk_stalled = true;
                Ok(())
            }
        }
    }

    fn is_urgent(&self) -> bool {
        self.urgent || self.pack_now || self.retell.len() > 0
    }

    fn seal(&mut self, mut books: Books<'_>, _: UnixMillis) -> Result<Vec<CrdtOutput>, StoreError> {
        self.urgent = false;
        self.packed = false;
        self.pack(&mut books)?;
        if self.pending_rows > 0 || self.waiting_told {
            self.waiting_told = self.pending_rows > 0;
            let held = self.is_held();
            self.outputs.push(CrdtOutput::Waiting { operations: self.pending_rows, held });
        }
        Ok(std::mem::take(&mut self.outputs))
    }

    fn sealed_own(&self) -> bool {
        self.packed
    }
}
