//! Heads that were heard of and whose blocks are not here yet.
//!
//! Nothing of them is stored: a head becomes a walk when its block has come, and one that nobody serves is dropped
//! and heard of again. Each author has a share of its own, so that one who announces what does not exist delays
//! nobody else.

use super::EngineConfig;
use crate::crdt::BlockId;
use cluster_core::{PeerId, UnixMillis};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

/// Heads of one author that may wait; more are dropped and counted, for their author announces them again.
const PER_AUTHOR: usize = 1024;

/// Authors whose heads may wait; those of others are dropped and counted.
const MAX_AUTHORS: usize = 1024;

/// Heads of all authors that may wait; more are dropped and counted.
const MAX_WAITING: usize = 8192;

/// Heads asked for at once, and those of one author among them.
const ASKED_AT_ONCE: usize = 64;
const ASKED_OF_AUTHOR: usize = 8;

/// Attempts after which a head is dropped.
const ATTEMPTS: u32 = 3;

#[derive(Debug, Clone, Copy)]
struct Asked {
    author: PeerId,
    since: UnixMillis,
    attempts: u32,
}

/// The heads heard of.
#[derive(Debug, Default)]
pub(super) struct Heard {
    waiting: BTreeMap<PeerId, VecDeque<(BlockId, u32)>>,
    known: BTreeSet<BlockId>,
    asked: BTreeMap<BlockId, Asked>,
    /// Whose turn it was last.
    last: Option<PeerId>,
    dropped: u64,
}

impl Heard {
    /// Notes a head that is neither merged nor missed by a walk.
    pub(super) fn add(&mut self, author: PeerId, head: BlockId) {
        self.put(author, head, 0);
    }

    fn put(&mut self, author: PeerId, head: BlockId, attempts: u32) {
        if self.asked.contains_key(&head) || self.known.contains(&head) {
            return;
        }
        let has_room = self.known.len() < MAX_WAITING
            && (self.waiting.len() < MAX_AUTHORS || self.waiting.contains_key(&author));
        let queue = if has_room { Some(self.waiting.entry(author).or_default()) } else { None };
        match queue {
            Some(queue) if queue.len() < PER_AUTHOR => {
                queue.push_back((head, attempts));
                self.known.insert(head);
            }
            _ => self.dropped += 1,
        }
    }

    /// Returns how many heads were dropped: too many at once, or served by nobody.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Says whether a head is asked for or waits to be.
    pub(super) fn contains(&self, id: &BlockId) -> bool {
        self.asked.contains_key(id) || self.known.contains(id)
    }

    /// Notes that a head's block came, and returns who announced it.
    pub(super) fn take(&mut self, id: &BlockId) -> Option<PeerId> {
        if let Some(asked) = self.asked.remove(id) {
            return Some(asked.author);
        }
        if !self.known.remove(id) {
            return None;
        }
        let (author, queue) =
            self.waiting.iter_mut().find(|(_, queue)| queue.iter().any(|(h, _)| h == id))?;
        let author = *author;
        queue.retain(|(head, _)| head != id);
        if queue.is_empty() {
            self.waiting.remove(&author);
        }
        Some(author)
    }

    /// Notes that nobody served a head.
    pub(super) fn on_failed(&mut self, id: &BlockId) {
        let Some(asked) = self.asked.remove(id) else { return };
        if asked.attempts >= ATTEMPTS {
            self.dropped += 1;
        } else {
            self.put(asked.author, *id, asked.attempts);
        }
    }

    /// Gives up heads that nobody answered for.
    pub(super) fn expire(&mut self, config: &EngineConfig, now: UnixMillis) {
        let late = |asked: &Asked| now.since(asked.since) >= config.fetch_timeout;
        let late: Vec<BlockId> = self.asked.iter().filter(|(_, a)| late(a)).map(|(id, _)| *id).collect();
        late.iter().for_each(|id| self.on_failed(id));
    }

    /// Returns when [`Heard::expire`] has something to do.
    pub(super) fn deadline(&self, timeout: Duration) -> Option<UnixMillis> {
        self.asked.values().map(|asked| asked.since.plus(timeout)).min()
    }

    /// Chooses the next head to ask for, and whom first: authors in turn.
    pub(super) fn next(&mut self, now: UnixMillis) -> Option<(BlockId, PeerId)> {
        if self.asked.len() >= ASKED_AT_ONCE {
            return None;
        }
        let asked = &self.asked;
        let may =
            |author: &&PeerId| asked.values().filter(|a| a.author == **author).count() < ASKED_OF_AUTHOR;
        let after = self.last.and_then(|last| {
            let range = (std::ops::Bound::Excluded(last), std::ops::Bound::Unbounded);
            self.waiting.range(range).map(|(author, _)| author).find(may)
        });
        let author = *after.or_else(|| self.waiting.keys().find(may))?;
        self.last = Some(author);
        let queue = self.waiting.get_mut(&author)?;
        let (head, attempts) = queue.pop_front()?;
        if queue.is_empty() {
            self.waiting.remove(&author);
        }
        self.known.remove(&head);
        self.asked.insert(head, Asked { author, since: now, attempts: attempts + 1 });
        Some((head, author))
    }
}
