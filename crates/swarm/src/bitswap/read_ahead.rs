//! Decides how many blocks a peer of this suite gets before it asks.

use super::ordered_map::OrderedMap;
use cid::Cid;

/// Most blocks sent ahead of one want.
pub(super) const MAX_STRIDE: usize = 64;

/// Most bytes sent ahead of one want.
pub(super) const MAX_STRIDE_BYTES: usize = 256 * 1024;

/// Fewest blocks sent ahead of one want of a walk.
const MIN_STRIDE: usize = 4;

/// Number of blocks remembered as sent; older ones may be sent ahead once more.
const MAX_SENT: usize = 8192;

/// Number of blocks expected to be asked next; a want of an older one does not count as part of a walk.
const MAX_EXPECTED: usize = 2048;

/// What one peer got and will likely ask next.
///
/// A peer that has the history asks for a new head and nothing below it; sending it the history would be waste. So
/// only a want of something that a block just sent links to, which shows that the peer walks, moves blocks ahead:
/// few at first, twice as many with every further want of the walk.
#[derive(Debug)]
pub(super) struct ReadAhead {
    sent: OrderedMap<Cid, ()>,
    expected: OrderedMap<Cid, ()>,
    stride: usize,
}

impl Default for ReadAhead {
    fn default() -> Self {
        Self { sent: OrderedMap::default(), expected: OrderedMap::default(), stride: MIN_STRIDE / 2 }
    }
}

impl ReadAhead {
    /// Notes that the peer asked for a block and gets it; returns how many blocks may follow.
    pub(super) fn on_answer(&mut self, cid: Cid) -> usize {
        let walks = self.expected.remove(&cid).is_some();
        self.on_sent(cid);
        if walks {
            self.stride = (self.stride * 2).min(MAX_STRIDE);
            self.stride
        } else {
            self.stride = (self.stride / 2).max(MIN_STRIDE / 2);
            0
        }
    }

    /// Says whether the peer got a block, as far as is remembered.
    pub(super) fn was_sent(&self, cid: &Cid) -> bool {
        self.sent.contains(cid)
    }

    /// Notes that a block goes to the peer.
    pub(super) fn on_sent(&mut self, cid: Cid) {
        self.sent.insert(cid, ());
        if self.sent.len() > MAX_SENT {
            self.sent.pop_oldest();
        }
    }

    /// Notes what the blocks sent link to and what was not sent with them.
    pub(super) fn expect(&mut self, links: impl IntoIterator<Item = Cid>) {
        for cid in links {
            if !self.sent.contains(&cid) {
                self.expected.insert(cid, ());
            }
            if self.expected.len() > MAX_EXPECTED {
                self.expected.pop_oldest();
            }
        }
    }
}

#[cfg(test)]
mod tests;
