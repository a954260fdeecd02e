//! Which missing blocks are asked for: a bounded number at a time, the rest is read again from the stored
//! frontier.

use super::EngineConfig;
use crate::crdt::{BlockId, rows::WalkRow};
use cluster_core::{
    PeerId, UnixMillis,
    mutate::{Mutation, active},
    ports::datastore::{Cursor, Snapshot, StoreError, Tree},
};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// Missing blocks known by name and not yet asked for. When there are more, the frontier is read again.
const MAX_AHEAD: usize = 256;

/// Failed blocks that wait for their next attempt. When there are more, the rest is found again by reading the
/// frontier after the longest waiting time.
const MAX_RETRIES: usize = 1024;

/// Rows of the frontier read at a time.
const PAGE: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    /// Asked for, at this time; `from` is who should have it.
    Asked { since: UnixMillis, attempts: u32, from: Option<PeerId> },
    /// Here, and on its way into the store; who announced it when it came as a head.
    Here { author: Option<PeerId> },
}

#[derive(Debug, Clone, Copy)]
struct Retry {
    at: UnixMillis,
    attempts: u32,
}

/// Blocks that are here and not yet in the store; above it nothing more is asked for.
const MAX_HERE: usize = 4096;

/// The blocks that are asked for, and those that will be.
#[derive(Debug, Default)]
pub(super) struct Wants {
    wants: BTreeMap<BlockId, Want>,
    /// How many of them are asked for.
    asked: usize,
    /// Who served or announced last: a good guess for what nobody in particular has.
    guess: Option<PeerId>,
    retries: BTreeMap<BlockId, Retry>,
    ahead: VecDeque<BlockId>,
    /// Where to read on in the frontier; `None` when nothing unread is there.
    sweep: Option<Cursor>,
    /// The frontier grew where the sweep under way has been.
    sweep_again: bool,
    /// When to read the frontier although nothing is known to be unread.
    sweep_at: Option<UnixMillis>,
}

impl Wants {
    /// Notes that the frontier holds rows nobody told of.
    pub(super) fn read_frontier(&mut self) {
        match self.sweep {
            Some(_) => self.sweep_again = true,
            None => self.sweep = Some(Cursor::prefix(Tree::Frontier, b"m")),
        }
    }

    /// Notes blocks that are missing since a batch that is durable now.
    pub(super) fn add(&mut self, missing: &[BlockId]) {
        for id in missing {
            if self.ahead.len() >= MAX_AHEAD {
                return self.read_frontier();
            }
            self.ahead.push_back(*id);
        }
    }

    /// Says whether the bytes of a block would be welcome.
    pub(super) fn is_wanted(&self, id: &BlockId) -> bool {
        matches!(self.wants.get(id), Some(Want::Asked { .. })) || self.retries.contains_key(id)
    }

    /// Says whether a block is asked for, on its way into the store, or waits for another attempt.
    pub(super) fn contains(&self, id: &BlockId) -> bool {
        self.wants.contains_key(id) || self.retries.contains_key(id)
    }

    /// Notes that a block is here and on its way into the store, and returns who should have what it links to.
    pub(super) fn on_here(&mut self, id: BlockId, author: Option<PeerId>) -> Option<PeerId> {
        self.retries.remove(&id);
        let from = match self.remove(&id) {
            Some(Want::Asked { from, .. }) => from,
            Some(Want::Here { .. }) | None => None,
        };
        self.wants.insert(id, Want::Here { author });
        let from = author.or(from).or(self.guess);
        self.guess = from;
        from
    }

    /// Notes that a block is in the store.
    pub(super) fn on_taken(&mut self, id: &BlockId) {
        self.remove(id);
        self.retries.remove(id);
    }

    fn remove(&mut self, id: &BlockId) -> Option<Want> {
        let want = self.wants.remove(id);
        self.asked -= usize::from(matches!(want, Some(Want::Asked { .. })));
        want
    }

    /// Asks for a block before anything stored says that it is missing: what it belongs to is on its way into the
    /// store. False when there is no room, or nothing to do; the stored frontier names it again later.
    pub(super) fn ask_early(
        &mut self,
        id: BlockId,
        from: Option<PeerId>,
        config: &EngineConfig,
        now: UnixMillis,
    ) -> bool {
        let has_room = self.has_room(config) && !self.contains(&id);
        if has_room {
            self.asked += 1;
            self.wants.insert(id, Want::Asked { since: now, attempts: 0, from });
        }
        has_room
    }

    fn has_room(&self, config: &EngineConfig) -> bool {
        self.asked < config.max_wants && self.wants.len() < self.asked + MAX_HERE
    }

    /// Makes a failed want due now: somebody just said that he has it.
    pub(super) fn hurry(&mut self, id: &BlockId, from: PeerId, now: UnixMillis) {
        self.guess = Some(from);
        if let Some(retry) = self.retries.get_mut(id) {
            retry.at = now;
        }
    }

    /// Notes that nobody could serve a block, or not in time.
    pub(super) fn on_failed(&mut self, id: BlockId, config: &EngineConfig, now: UnixMillis) {
        let Some(Want::Asked { attempts, .. }) = self.wants.get(&id).copied() else { return };
        self.remove(&id);
        if active(Mutation::ForgetFailedFetch) {
            self.wants.insert(id, Want::Here { author: None });
            return;
        }
        let attempts = attempts.saturating_add(1);
        if self.retries.len() >= MAX_RETRIES {
            self.sweep_at.get_or_insert(now.plus(config.max_retry));
            return;
        }
        self.retries.insert(id, Retry { at: now.plus(backoff(&id, attempts, config)), attempts });
    }

    /// Forgets blocks that were here and did not get into the store; the frontier still has them, but for heads,
    /// which are returned with their authors.
    pub(super) fn on_lost(&mut self) -> Vec<(BlockId, PeerId)> {
        let mut heads = Vec::new();
        self.wants.retain(|id, want| match want {
            Want::Asked { .. } => true,
            Want::Here { author } => {
                heads.extend(author.map(|author| (*id, author)));
                false
            }
        });
        self.read_frontier();
        heads
    }

    /// Gives up wants that nobody answered.
    pub(super) fn expire(&mut self, config: &EngineConfig, now: UnixMillis) {
        let late = |want: &Want| matches!(want, Want::Asked { since, .. } if now.since(*since) >= config.fetch_timeout);
        let late: Vec<BlockId> = self.wants.iter().filter(|(_, w)| late(w)).map(|(id, _)| *id).collect();
        for id in late {
            self.on_failed(id, config, now);
        }
        if self.sweep_at.is_some_and(|at| at <= now) {
            self.sweep_at = None;
            self.read_frontier();
        }
    }

    /// Says whether nothing is missing as far as is known.
    pub(super) fn is_idle(&self) -> bool {
        self.wants.is_empty() && self.retries.is_empty() && self.ahead.is_empty() && self.sweep.is_none()
    }

    /// Returns when [`Wants::expire`] or, with room for more, [`Wants::fill`] has something to do.
    pub(super) fn deadline(&self, config: &EngineConfig, may_fill: bool) -> Option<UnixMillis> {
        let has_room = may_fill && self.has_room(config);
        let asked = self.wants.values().filter_map(|want| match want {
            Want::Asked { since, .. } => Some(since.plus(config.fetch_timeout)),
            Want::Here { .. } => None,
        });
        let retries = self.retries.values().map(|retry| retry.at).filter(|_| has_room);
        asked.chain(retries).chain(self.sweep_at).min()
    }

    /// Chooses what to ask for now, as far as there is room.
    pub(super) fn fill(
        &mut self,
        config: &EngineConfig,
        now: UnixMillis,
        view: &dyn Snapshot,
    ) -> Result<Vec<(BlockId, Option<PeerId>)>, StoreError> {
        let mut ask = Vec::new();
        let due: Vec<BlockId> = self.retries.iter().filter(|(_, r)| r.at <= now).map(|(id, _)| *id).collect();
        for id in due {
            if !self.has_room(config) {
                return Ok(ask);
            }
            let attempts = self.retries.remove(&id).map_or(0, |retry| retry.attempts);
            if self.ask(id, attempts, now, view)? {
                ask.push((id, self.guess.filter(|_| attempts == 0)));
            }
        }
        while self.has_room(config) {
            let Some(id) = self.next(view)? else { break };
            if !self.contains(&id) && self.ask(id, 0, now, view)? {
                ask.push((id, self.guess));
            }
        }
        Ok(ask)
    }

    fn ask(
        &mut self,
        id: BlockId,
        attempts: u32,
        now: UnixMillis,
        view: &dyn Snapshot,
    ) -> Result<bool, StoreError> {
        // It may have come with another answer since it was noted.
        let missing = view.get(Tree::Frontier, &WalkRow::missing_key(&id))?.is_some();
        if missing || active(Mutation::SkipFrontierRow) {
            self.asked += 1;
            self.wants.insert(id, Want::Asked { since: now, attempts, from: self.guess });
            return Ok(true);
        }
        Ok(false)
    }

    fn next(&mut self, view: &dyn Snapshot) -> Result<Option<BlockId>, StoreError> {
        loop {
            if let Some(id) = self.ahead.pop_front() {
                return Ok(Some(id));
            }
            let Some(sweep) = &mut self.sweep else { return Ok(None) };
            let rows = sweep.next_page_of(view, PAGE)?;
            self.ahead.extend(rows.iter().filter_map(|(key, _)| BlockId::from_slice(key.get(1..)?)));
            if sweep.is_done() {
                self.sweep = None;
                if std::mem::take(&mut self.sweep_again) {
                    self.read_frontier();
                }
            }
        }
    }
}

/// Returns how long to wait after so many failures: doubling, capped, spread by a quarter either way. The spread
/// comes from the block's name, so that the blocks of a lost connection do not all come back at once.
fn backoff(id: &BlockId, attempts: u32, config: &EngineConfig) -> Duration {
    let doubled = config
        .first_retry
        .saturating_mul(1u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX))
        .min(config.max_retry);
    let spread = u32::from(id.0[attempts as usize % 32]) * 500 / 255;
    doubled.saturating_mul(750 + spread) / 1000
}
