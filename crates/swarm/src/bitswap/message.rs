//! Messages of bitswap (wire-protocol §4.16).

use super::{
    dialect::Dialect,
    fields::{Malformed, Value, bytes_len, next_field, put_bytes, put_header, put_number, varint},
};
use cid::{Cid, Version};
use multihash::Multihash;
use prost::encoding::encode_varint;
use sha2::{Digest, Sha256};

/// Largest message, in bytes, read or written.
pub(super) const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// Largest block that fits into a message together with its envelope, in bytes.
pub(super) const MAX_BLOCK: usize = MAX_MESSAGE - 64;

/// Most entries (wants, blocks and presences together) of one message; further ones are skipped and counted.
pub(super) const MAX_ENTRIES: usize = 4096;

const DAG_PB: u64 = 0x70;
const SHA2_256: u64 = 0x12;

/// Longest binary CID that is read: four varints and a digest of 64 bytes.
const MAX_CID: usize = 4 * 10 + 64;

/// What a want asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// The block itself.
    Block,
    /// Whether the block is there.
    Have,
    /// Nothing any more.
    Cancel,
}

/// An entry of a want list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Want {
    /// The block.
    pub(super) cid: Cid,
    /// What is asked.
    pub(super) ask: Ask,
    /// Greater is more urgent.
    pub(super) priority: i32,
    /// Whether DONT_HAVE is to be answered when the block is missing.
    pub(super) dont_have: bool,
}

/// A message; its blocks carry the CID that their bytes hash to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Message {
    /// Whether the wants replace all earlier ones.
    pub(super) full: bool,
    /// Wants and cancels.
    pub(super) wants: Vec<Want>,
    /// Blocks.
    pub(super) blocks: Vec<(Cid, Vec<u8>)>,
    /// HAVE (true) and DONT_HAVE (false).
    pub(super) presences: Vec<(Cid, bool)>,
    /// Number of blocks left out because their kind of hash is not the one the DAG uses; never written.
    pub(super) foreign: usize,
    /// Number of entries left out because there were too many; never written.
    pub(super) skipped: usize,
}

impl Message {
    /// Reads a message and hashes its blocks.
    ///
    /// # Errors
    /// When the bytes are no message.
    pub(super) fn decode(mut input: &[u8]) -> Result<Self, Malformed> {
        let mut message = Self::default();
        while let Some((field, value)) = next_field(&mut input)? {
            match field {
                1 => message.read_wantlist(value.bytes()?)?,
                2..=4 if !message.has_room() => message.skipped += 1,
                2 => {
                    let data = value.bytes()?;
                    message.blocks.push((dag_cid(data)?, data.to_vec()));
                }
                3 => message.read_payload(value.bytes()?)?,
                4 => message.presences.push(read_presence(value.bytes()?)?),
                _ => {}
            }
        }
        Ok(message)
    }

    fn has_room(&self) -> bool {
        self.wants.len() + self.blocks.len() + self.foreign + self.presences.len() < MAX_ENTRIES
    }

    fn read_wantlist(&mut self, mut input: &[u8]) -> Result<(), Malformed> {
        while let Some((field, value)) = next_field(&mut input)? {
            match field {
                1 if !self.has_room() => self.skipped += 1,
                1 => self.wants.push(read_want(value.bytes()?)?),
                2 => self.full = value.number()? != 0,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_payload(&mut self, mut input: &[u8]) -> Result<(), Malformed> {
        let (mut prefix, mut data): (&[u8], &[u8]) = (&[], &[]);
        while let Some((field, value)) = next_field(&mut input)? {
            match field {
                1 => prefix = value.bytes()?,
                2 => data = value.bytes()?,
                _ => {}
            }
        }
        match (varint(&mut prefix)?, varint(&mut prefix)?, varint(&mut prefix)?, varint(&mut prefix)?) {
            (1, DAG_PB, SHA2_256, 32) if prefix.is_empty() => {
                self.blocks.push((dag_cid(data)?, data.to_vec()))
            }
            _ => self.foreign += 1,
        }
        Ok(())
    }

    /// Counts the bytes that a block of the DAG adds to a message.
    pub(super) fn block_len(data: &[u8]) -> usize {
        bytes_len(bytes_len(4) + bytes_len(data.len()))
    }

    /// Writes the message with its length in front, leaving out what the dialect does not know.
    pub(super) fn encode(&self, dialect: Dialect) -> Vec<u8> {
        let mut list = Vec::with_capacity(self.wants.len() * 52);
        for want in &self.wants {
            write_want(&mut list, want, dialect);
        }
        put_number(&mut list, 2, u64::from(self.full));

        let blocks: usize = self.blocks.iter().map(|(_, data)| Self::block_len(data)).sum();
        let mut body = Vec::with_capacity(list.len() + 16 + blocks + self.presences.len() * 44);
        put_bytes(&mut body, 1, &list);
        for (cid, data) in &self.blocks {
            if dialect == Dialect::Oldest {
                put_bytes(&mut body, 2, data);
                continue;
            }
            let prefix = prefix(cid);
            put_header(&mut body, 3, bytes_len(prefix.len()) + bytes_len(data.len()));
            put_bytes(&mut body, 1, &prefix);
            put_bytes(&mut body, 2, data);
        }
        if dialect == Dialect::Current {
            for (cid, have) in &self.presences {
                let cid = cid.to_bytes();
                put_header(&mut body, 4, bytes_len(cid.len()) + if *have { 0 } else { 2 });
                put_bytes(&mut body, 1, &cid);
                put_number(&mut body, 2, u64::from(!have));
            }
        }

        let mut frame = Vec::with_capacity(body.len() + 4);
        encode_varint(body.len() as u64, &mut frame);
        frame.extend_from_slice(&body);
        frame
    }
}

fn read_want(mut input: &[u8]) -> Result<Want, Malformed> {
    let (mut cid, mut priority, mut cancel, mut have, mut dont_have) = (None, 0, false, false, false);
    while let Some((field, value)) = next_field(&mut input)? {
        match field {
            1 => cid = Some(read_cid(value)?),
            // An int32 is the low half of its varint.
            2 => priority = value.number()? as u32 as i32,
            3 => cancel = value.number()? != 0,
            4 => have = value.number()? == 1,
            5 => dont_have = value.number()? != 0,
            _ => {}
        }
    }
    let ask = match (cancel, have) {
        (true, _) => Ask::Cancel,
        (false, true) => Ask::Have,
        (false, false) => Ask::Block,
    };
    Ok(Want { cid: cid.ok_or(Malformed("a want has no CID"))?, ask, priority, dont_have })
}

fn write_want(list: &mut Vec<u8>, want: &Want, dialect: Dialect) {
    let cid = want.cid.to_bytes();
    let mut entry = Vec::with_capacity(cid.len() + 14);
    put_bytes(&mut entry, 1, &cid);
    // A negative int32 is written as ten bytes, so the sign is extended first.
    put_number(&mut entry, 2, i64::from(want.priority) as u64);
    put_number(&mut entry, 3, u64::from(want.ask == Ask::Cancel));
    if dialect == Dialect::Current {
        put_number(&mut entry, 4, u64::from(want.ask == Ask::Have));
        put_number(&mut entry, 5, u64::from(want.dont_have));
    }
    put_bytes(list, 1, &entry);
}

fn read_presence(mut input: &[u8]) -> Result<(Cid, bool), Malformed> {
    let (mut cid, mut have) = (None, true);
    while let Some((field, value)) = next_field(&mut input)? {
        match field {
            1 => cid = Some(read_cid(value)?),
            2 => have = value.number()? == 0,
            _ => {}
        }
    }
    Ok((cid.ok_or(Malformed("a presence has no CID"))?, have))
}

fn read_cid(value: Value<'_>) -> Result<Cid, Malformed> {
    parse_cid(value.bytes()?).ok_or(Malformed("broken CID"))
}

/// Parses a binary CID; trailing bytes and longer forms of it are refused.
pub(super) fn parse_cid(bytes: &[u8]) -> Option<Cid> {
    if bytes.len() > MAX_CID {
        return None;
    }
    Cid::try_from(bytes).ok().filter(|cid| cid.encoded_len() == bytes.len())
}

/// Computes the CID that a block of the DAG with these bytes has (wire-protocol §4.4).
///
/// # Errors
/// Never: a digest of 32 bytes has room in every multihash.
pub(super) fn dag_cid(data: &[u8]) -> Result<Cid, Malformed> {
    let hash =
        Multihash::wrap(SHA2_256, &Sha256::digest(data)).map_err(|_| Malformed("no room for a digest"))?;
    Ok(Cid::new_v1(DAG_PB, hash))
}

fn prefix(cid: &Cid) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(4);
    let version = if cid.version() == Version::V0 { 0 } else { 1 };
    for part in [version, cid.codec(), cid.hash().code(), u64::from(cid.hash().size())] {
        encode_varint(part, &mut prefix);
    }
    prefix
}

#[cfg(test)]
mod tests;
