//! The periodic broadcast of heads (wire-protocol §4.12).

use crate::crdt::BlockId;
use cluster_core::{
    UnixMillis,
    mutate::{Mutation, active},
};
use std::{collections::BTreeSet, time::Duration};

/// Heads remembered as heard in one window. More are forgotten, and so announced once more than needed.
const MAX_HEARD: usize = 4096;

/// Heads in one message. A Go peer takes the heads of a message one after another, and meanwhile keeps 32 messages of others;
/// a longer list would make it lose more of them.
pub(super) const MESSAGE_HEADS: usize = 32;

/// Messages of one broadcast: half of what a Go peer keeps, so that others are heard too. Further heads are told in the next
/// broadcasts, in turn.
pub(super) const MESSAGES: usize = 16;

/// Decides when heads are announced again, and which.
#[derive(Debug)]
pub(super) struct Rebroadcast {
    interval: Duration,
    next: UnixMillis,
    heard: BTreeSet<BlockId>,
    /// The last head of the last broadcast, when there was no room for all.
    told_up_to: Option<BlockId>,
}

impl Rebroadcast {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, next: UnixMillis(0), heard: BTreeSet::new(), told_up_to: None }
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
        let own = heads.into_iter().filter(|head| !silent && !heard.contains(head));
        let mut own: Vec<BlockId> = own.collect::<BTreeSet<_>>().into_iter().collect();
        let room = MESSAGES * MESSAGE_HEADS;
        if let Some(last) = self.told_up_to.take() {
            let start = own.partition_point(|head| *head <= last);
            own.rotate_left(start);
        }
        if own.len() > room {
            own.truncate(room);
            self.told_up_to = own.last().copied();
        }
        own.chunks(MESSAGE_HEADS).map(<[BlockId]>::to_vec).collect()
    }
}

/// Spreads the interval by 30 % either way, evenly.
fn spread(interval: Duration, random: u64) -> Duration {
    let permille = 700 + u32::try_from(random % 601).unwrap_or(0);
    interval.saturating_mul(permille) / 1000
}
