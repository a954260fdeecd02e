//! The look through everything merged for blocks that are lost or were never there: damage, or what a defect or a
//! foreign tool left behind. It costs little at a time and never ends a walk of its own.

use crate::crdt::{Block, BlockId, CrdtInput, Mark, rows::WalkRow};
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

/// Time after a pass that somebody asked for and that found something, until another one sees whether that was all.
const AGAIN: Duration = Duration::from_secs(60);

/// Finds what is missing below merged blocks.
#[derive(Debug)]
pub(super) struct Repair {
    interval: Option<Duration>,
    next: Option<UnixMillis>,
    pass: Option<Cursor>,
    /// Whether the pass at hand found something.
    found: bool,
    /// Whether an operator asked for passes until one finds nothing.
    asked: bool,
}

impl Repair {
    pub(super) fn new(interval: Option<Duration>) -> Self {
        Self { interval, next: None, pass: None, found: false, asked: false }
    }

    /// Plans the first pass: soon after the start, for that is when damage shows, unless an operator knows better.
    pub(super) fn start(
        &mut self,
        now: UnixMillis,
        view: &dyn Snapshot,
    ) -> Result<Option<CrdtInput>, StoreError> {
        let mark = Mark::read(view)?;
        self.asked = mark == Some(Mark::Dirty);
        let wait = match mark {
            Some(Mark::Dirty) => Some(TURN),
            Some(Mark::Clean) => self.interval,
            None => self.interval.map(|interval| interval.min(TURN)),
        };
        self.next = wait.map(|wait| now.plus(wait));
        Ok((mark == Some(Mark::Clean)).then_some(CrdtInput::ClearMark))
    }

    pub(super) fn deadline(&self) -> Option<UnixMillis> {
        self.next
    }

    /// Goes on with a pass and says what has to be fetched.
    pub(super) fn turn(
        &mut self,
        now: UnixMillis,
        view: &dyn Snapshot,
    ) -> Result<Vec<CrdtInput>, StoreError> {
        if self.next.is_none_or(|at| at > now) {
            return Ok(Vec::new());
        }
        self.next = Some(now.plus(self.interval.map_or(TURN, |interval| interval.min(TURN))));
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
        let is_done = pass.is_done();
        let mut inputs = Vec::new();
        if !lost.is_empty() || !holes.is_empty() {
            self.found = true;
            inputs.push(CrdtInput::Repair { lost, holes });
        }
        if is_done {
            inputs.extend(self.end_pass(now));
        }
        Ok(inputs)
    }

    /// Plans the next pass. What was found is fetched by walks, but not without limit: whoever asked is served once there
    /// is nothing left to find.
    fn end_pass(&mut self, now: UnixMillis) -> Option<CrdtInput> {
        self.pass = None;
        let found = std::mem::take(&mut self.found);
        let is_served = self.asked && !found;
        self.asked &= found;
        let again = self.asked.then_some(AGAIN);
        self.next = [self.interval, again].into_iter().flatten().min().map(|wait| now.plus(wait));
        is_served.then_some(CrdtInput::ClearMark)
    }
}
