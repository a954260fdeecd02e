//! The fetches that wait for blocks, together with the list of wants that they keep.

use super::{
    block_cache::BlockCache,
    want_list::{WantInput, WantList},
};
use cid::Cid;
use cluster_core::{PeerId, ports::swarm::FetchError};
use std::{collections::HashMap, time::Instant};
use tokio::sync::oneshot;

/// Fetches that may wait at once; further ones are refused with [`FetchError::Full`].
pub(super) const MAX_FETCHES: usize = 8192;

/// What a fetch starts with.
#[derive(Debug)]
pub(super) enum Started {
    /// The block was here.
    Kept(Vec<u8>),
    /// The block will come; the number names the fetch.
    Waiting(u64, oneshot::Receiver<Vec<u8>>),
}

/// A fetch that waits: its number and where its block goes.
type Waiting = (u64, oneshot::Sender<Vec<u8>>);

/// Blocks that came and what became of them.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Peers that have to be told something.
    pub(super) ready: Vec<PeerId>,
    /// Blocks with the fetches that waited for them.
    wanted: Vec<(Vec<Waiting>, Vec<u8>)>,
    /// Blocks kept for later.
    pub(super) kept: usize,
    /// Blocks dropped.
    pub(super) unwanted: usize,
}

/// Everything behind the lock of the client's half.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    /// Whom to ask.
    pub(super) list: WantList,
    /// When the timer wakes up next; it is told of anything earlier.
    pub(super) armed: Option<Instant>,
    waiting: HashMap<Cid, Vec<Waiting>>,
    count: usize,
    next: u64,
    cache: BlockCache,
    stopped: bool,
}

impl Taken {
    /// Counts the blocks somebody waited for.
    pub(super) fn wanted(&self) -> usize {
        self.wanted.len()
    }

    /// Gives the blocks to who waited for them. Not done under the lock: they ask for the next ones at once.
    pub(super) fn deliver(self) {
        for (mut waiting, data) in self.wanted {
            let last = waiting.pop();
            for (_, sender) in waiting {
                let _ = sender.send(data.clone());
            }
            if let Some((_, sender)) = last {
                let _ = sender.send(data);
            }
        }
    }
}

impl Fetches {
    /// Starts a fetch; the list of peers to be told something is extended.
    ///
    /// # Errors
    /// When there are too many fetches, or the exchange stops.
    pub(super) fn start(
        &mut self,
        cid: Cid,
        first: Option<PeerId>,
        now: Instant,
        ready: &mut Vec<PeerId>,
    ) -> Result<Started, FetchError> {
        if self.stopped {
            return Err(FetchError::Stopping);
        }
        if let Some(data) = self.cache.take(&cid) {
            return Ok(Started::Kept(data));
        }
        if self.count >= MAX_FETCHES {
            return Err(FetchError::Full);
        }
        let (sender, receiver) = oneshot::channel();
        let number = self.next;
        self.next += 1;
        self.count += 1;
        self.waiting.entry(cid).or_default().push((number, sender));
        ready.extend(self.list.handle(WantInput::Want { cid, first }, now));
        Ok(Started::Waiting(number, receiver))
    }

    /// Ends a fetch that waits no longer; nothing when it got its block.
    pub(super) fn end(&mut self, cid: &Cid, number: u64, now: Instant) -> Vec<PeerId> {
        let Some(waiting) = self.waiting.get_mut(cid) else { return Vec::new() };
        let before = waiting.len();
        waiting.retain(|(other, _)| *other != number);
        self.count -= before - waiting.len();
        if !waiting.is_empty() {
            return Vec::new();
        }
        self.waiting.remove(cid);
        self.list.handle(WantInput::Release { cid: *cid, from: None }, now)
    }

    /// Takes verified blocks of a message, for who waits or, when `keep`, for later.
    pub(super) fn take_blocks(
        &mut self,
        from: PeerId,
        keep: bool,
        blocks: Vec<(Cid, Vec<u8>)>,
        now: Instant,
    ) -> Taken {
        let mut taken = Taken::default();
        // What was sent ahead is put away first: who gets a block asks for its links next.
        let (wanted, others): (Vec<_>, Vec<_>) =
            blocks.into_iter().partition(|(cid, _)| self.waiting.contains_key(cid));
        for (cid, data) in others {
            if keep {
                self.cache.insert(cid, data);
                taken.kept += 1;
            } else {
                taken.unwanted += 1;
            }
        }
        for (cid, data) in wanted {
            let Some(waiting) = self.waiting.remove(&cid) else {
                taken.unwanted += 1;
                continue;
            };
            self.count -= waiting.len();
            taken.ready.extend(self.list.handle(WantInput::Release { cid, from: Some(from) }, now));
            taken.wanted.push((waiting, data));
        }
        taken
    }

    /// Ends all fetches and refuses further ones.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
        self.count = 0;
        self.waiting.clear();
    }

    /// Counts the bytes kept for later.
    #[cfg(test)]
    pub(super) fn cached_bytes(&self) -> usize {
        self.cache.bytes()
    }
}
