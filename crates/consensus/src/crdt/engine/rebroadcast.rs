//! The periodic broadcast of heads (wire-protocol §4.12).

use crate::crdt::BlockId;
use cluster_core::{
    UnixMillis,
    mutate::{Mutation, active},
};
use std::{collections::BTreeSet, time::Duration};

/// Heads remembered as heard in one window. More are forgotten, and so announced once more than needed.
const MAX_HEARD: usize = 4096;

/// Heads in one message: about 40 KB.
const MESSAGE_HEADS: usize = 1000;

/// Decides when heads are announced again, and which.
#[derive(Debug)]
pub(super) struct Rebroadcast {
    interval: Duration,
    next: UnixMillis,
    heard: BTreeSet<BlockId>,
}

impl Rebroadcast {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, next: UnixMillis(0), heard: BTreeSet::new() }
    }

    /// Starts the first window.
    pub(super) fn start(&mut self, now: UnixMillis, random: u64) {
        self.next = now.plus(spread(self.interval, random));
        self.heard.clear();
    }

    pub(super) fn deadline(&self) -> UnixMillis {
        self.next
    }

    pub(super) fn is_due(&self, now: UnixMillis) -> bool {
        self.next <= now
    }

    /// Notes heads that somebody else announced: all who listen to us have heard them too.
    pub(super) fn on_heard(&mut self, heads: &[BlockId]) {
        let room = MAX_HEARD.saturating_sub(self.heard.len());
        self.heard.extend(heads.iter().take(room));
    }

    /// Ends the window: returns the messages to send and starts the next one.
    pub(super) fn turn(&mut self, heads: Vec<BlockId>, now: UnixMillis, random: u64) -> Vec<Vec<BlockId>> {
        self.next = now.plus(spread(self.interval, random));
        let heard = std::mem::take(&mut self.heard);
        let silent = active(Mutation::NeverRebroadcast);
        let own: Vec<BlockId> = heads.into_iter().filter(|head| !silent && !heard.contains(head)).collect();
        own.chunks(MESSAGE_HEADS).map(<[BlockId]>::to_vec).collect()
    }
}

/// Spreads the interval by 30 % either way, evenly.
fn spread(interval: Duration, random: u64) -> Duration {
    let permille = 700 + u32::try_from(random % 601).unwrap_or(0);
    interval.saturating_mul(permille) / 1000
}
