//! Keeps blocks that peers of this suite sent before they were asked for.

use super::ordered_map::OrderedMap;
use cid::Cid;

/// Room for blocks, in bytes, their envelopes included; the oldest block goes first.
pub(super) const MAX_CACHE: usize = 4 * 1024 * 1024;

/// What an entry costs beyond the bytes of its block.
const ENVELOPE: usize = 256;

/// Blocks in order of arrival, bounded in bytes.
#[derive(Debug, Default)]
pub(super) struct BlockCache {
    blocks: OrderedMap<Cid, Vec<u8>>,
    bytes: usize,
}

impl BlockCache {
    /// Keeps a block.
    pub(super) fn insert(&mut self, cid: Cid, data: Vec<u8>) {
        self.bytes += data.len() + ENVELOPE;
        if let Some(old) = self.blocks.insert(cid, data) {
            self.bytes -= old.len() + ENVELOPE;
        }
        while self.bytes > MAX_CACHE
            && let Some((_, data)) = self.blocks.pop_oldest()
        {
            self.bytes -= data.len() + ENVELOPE;
        }
    }

    /// Takes a block out.
    pub(super) fn take(&mut self, cid: &Cid) -> Option<Vec<u8>> {
        let data = self.blocks.remove(cid)?;
        self.bytes -= data.len() + ENVELOPE;
        Some(data)
    }

    /// Counts the bytes kept, envelopes included.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
