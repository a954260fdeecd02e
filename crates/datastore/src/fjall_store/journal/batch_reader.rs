//! Reading batches of the journal one after the other, in little memory.

use super::CommitMarker;
use std::io::{self, Read};
use xxhash_rust::xxh3::Xxh3;

/// Kind bytes of the entries.
pub(super) const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
/// Last bytes of an end entry.
pub(super) const TRAILER: [u8; 4] = *b"FJL\x03";

/// Largest kind of value an item may have: value, tombstone, weak tombstone. Pointers never stand in a journal.
const LAST_VALUE_KIND: u8 = 2;
/// Largest known compression: none, LZ4.
const LAST_COMPRESSION: u8 = 1;
/// Bytes of a start entry: kind, item count (u32), sequence number (u64).
pub(super) const START_LEN: u64 = 13;
/// Bytes of an item's head: kind, value kind, compression, keyspace (u64), key length (u16), value length (u32),
/// stored value length (u32).
const ITEM_LEN: u64 = 21;

/// What was found.
pub(super) enum Next {
    /// A complete batch and its marker, if it has one.
    Batch(Option<CommitMarker>),
    /// A zero byte or the end of the file where a batch would start.
    Zeroes,
    /// Bytes that are no complete batch.
    Invalid,
}

/// Reads batches from `source`, which holds `len` bytes.
pub(super) struct BatchReader<R> {
    source: R,
    len: u64,
    position: u64,
    valid_len: u64,
    bytes: Vec<u8>,
    ran_out: bool,
}

impl<R: Read> BatchReader<R> {
    pub(super) fn new(source: R, len: u64) -> Self {
        Self { source, len, position: 0, valid_len: 0, bytes: Vec::new(), ran_out: false }
    }

    /// Returns the end of the last complete batch.
    pub(super) fn valid_len(&self) -> u64 {
        self.valid_len
    }

    /// Says whether the last invalid batch asked for more bytes than there are.
    pub(super) fn ran_out(&self) -> bool {
        self.ran_out
    }

    /// Reads the next batch. After anything but a batch the reader is at its end.
    pub(super) fn next(&mut self) -> io::Result<Next> {
        if self.position >= self.len {
            return Ok(Next::Zeroes);
        }
        if self.take(1)? && self.bytes[0] == 0 {
            return Ok(Next::Zeroes);
        }
        if self.bytes[0] != START || !self.take(START_LEN - 1)? {
            return Ok(Next::Invalid);
        }
        let items = u32_at(&self.bytes, 0);
        let mut hash = Xxh3::new();
        let mut marker = None;
        for index in 0..items {
            match self.item(&mut hash)? {
                Some(found) => marker = if index == 0 { found } else { marker },
                None => return Ok(Next::Invalid),
            }
        }
        let complete = self.take(1)?
            && self.bytes[0] == END
            && self.take(12)?
            && u64_at(&self.bytes, 0) == hash.digest()
            && self.bytes[8..12] == TRAILER;
        if !complete || items == 0 {
            return Ok(Next::Invalid);
        }
        self.valid_len = self.position;
        Ok(Next::Batch(marker))
    }

    /// Reads one item into the hash; `None` when it is none, `Some(Some(_))` when it is a commit marker.
    fn item(&mut self, hash: &mut Xxh3) -> io::Result<Option<Option<CommitMarker>>> {
        if !self.take(1)? {
            return Ok(None);
        }
        hash.update(&self.bytes);
        match self.bytes[0] {
            CLEAR => {
                if !self.take(8)? {
                    return Ok(None);
                }
                hash.update(&self.bytes);
                Ok(Some(None))
            }
            ITEM => {
                if !self.take(ITEM_LEN - 1)? {
                    return Ok(None);
                }
                let head = &self.bytes;
                if head[0] > LAST_VALUE_KIND || head[1] > LAST_COMPRESSION {
                    return Ok(None);
                }
                hash.update(head);
                let key_len = u64::from(u16::from_le_bytes([head[10], head[11]]));
                let value_len = u64::from(u32_at(head, 16));
                if !self.take(key_len + value_len)? {
                    return Ok(None);
                }
                hash.update(&self.bytes);
                let (key, value) = self.bytes.split_at(usize::try_from(key_len).unwrap_or(usize::MAX));
                Ok(Some(CommitMarker::decode(key, value)))
            }
            _ => Ok(None),
        }
    }

    /// Fills `bytes` with the next `count`; false when there are not as many.
    fn take(&mut self, count: u64) -> io::Result<bool> {
        if count > self.len - self.position {
            self.ran_out = true;
            return Ok(false);
        }
        let Ok(size) = usize::try_from(count) else { return Ok(false) };
        self.bytes.resize(size, 0);
        self.source.read_exact(&mut self.bytes)?;
        self.position += count;
        Ok(true)
    }
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}
