//! The look through everything merged for blocks that are lost or were never there: damage, or what a defect or a
//! foreign tool left behind. It costs little at a time and never ends a walk of its own.

use crate::crdt::{Block, BlockId, CrdtInput, rows::WalkRow};
use cluster_core::{
    UnixMillis,
    ports::datastore::{Cursor, Snapshot, StoreError, Tree},
};
use std::time::Duration;

/// Blocks looked at in one turn, and bytes of them.
const TURN_BLOCKS: usize = 256;
const TURN_BYTES: usize = 2 * 1024 * 1024;

/// Blocks read at a time.
const PAGE: usize = 16;

/// Time between two turns of a pass.
const TURN: Duration = Duration::from_millis(100);

/// Finds what is missing below merged blocks.
#[derive(Debug)]
pub(super) struct Repair {
    interval: Option<Duration>,
    next: Option<UnixMillis>,
    pass: Option<Cursor>,
}

impl Repair {
    pub(super) fn new(interval: Option<Duration>) -> Self {
        Self { interval, next: None, pass: None }
    }

    /// Plans the first pass: soon after the start, for that is when damage shows.
    pub(super) fn start(&mut self, now: UnixMillis) {
        self.next = self.interval.map(|interval| now.plus(interval.min(TURN)));
    }

    pub(super) fn deadline(&self) -> Option<UnixMillis> {
        self.next
    }

    /// Goes on with a pass and says what has to be fetched.
    pub(super) fn turn(
        &mut self,
        now: UnixMillis,
        view: &dyn Snapshot,
    ) -> Result<Option<CrdtInput>, StoreError> {
        let (Some(interval), true) = (self.interval, self.next.is_some_and(|at| at <= now)) else {
            return Ok(None);
        };
        self.next = Some(now.plus(TURN.min(interval)));
        let pass = self.pass.get_or_insert_with(|| Cursor::all(Tree::Merged));
        let (mut lost, mut holes) = (Vec::new(), Vec::new());
        let (mut blocks, mut bytes) = (0, 0);
        while blocks < TURN_BLOCKS && bytes < TURN_BYTES && !pass.is_done() {
            for (key, _) in pass.next_page_of(view, PAGE)? {
                blocks += 1;
                let Some(id) = BlockId::from_slice(&key) else { continue };
                let stored = view.get(Tree::Blocks, &key)?;
                bytes += stored.as_ref().map_or(0, Vec::len);
                let block =
                    stored.filter(|bytes| BlockId::of(bytes) == id).map(|bytes| Block::decode(&bytes));
                let Some(Ok(block)) = block else {
                    lost.push(id);
                    continue;
                };
                for link in block.links {
                    if view.get(Tree::Merged, &link.0)?.is_none()
                        && view.get(Tree::Frontier, &WalkRow::missing_key(&link))?.is_none()
                    {
                        holes.push(link);
                    }
                }
            }
        }
        if pass.is_done() {
            self.pass = None;
            self.next = Some(now.plus(interval));
        }
        Ok((!lost.is_empty() || !holes.is_empty()).then_some(CrdtInput::Repair { lost, holes }))
    }
}
