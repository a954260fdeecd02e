//! A block of the DAG: a dag-pb node whose links are the heads it follows and whose data is a delta
//! (wire-protocol §4.4, §4.5).

use super::BlockId;
use prost::{
    Message,
    encoding::{decode_varint, encode_varint},
};

/// Largest delta that is written, in bytes.
pub const MAX_DELTA: usize = 1024 * 1024;

/// Greatest priority that is read. Beyond it there would be no room for the priorities of later deltas, and
/// nobody gets there by adding.
pub const MAX_PRIORITY: u64 = 1 << 62;

/// Largest block that is read, in bytes: what a libp2p message may carry.
pub const MAX_BLOCK: usize = 4 * 1024 * 1024;

/// An add: key and value.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Element {
    /// Key of the pin (`/` and base32).
    #[prost(string, tag = "1")]
    pub key: String,
    /// Stored form of the pin.
    #[prost(bytes = "vec", tag = "3")]
    pub value: Vec<u8>,
}

/// A removal of what one block added.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Tombstone {
    /// Key of the pin (`/` and base32).
    #[prost(string, tag = "1")]
    pub key: String,
    /// Name of the block (`/` and base32 multihash).
    #[prost(string, tag = "2")]
    pub id: String,
}

/// The changes that one block carries.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Delta {
    /// Adds.
    #[prost(message, repeated, tag = "1")]
    pub elements: Vec<Element>,
    /// Removals.
    #[prost(message, repeated, tag = "2")]
    pub tombstones: Vec<Tombstone>,
    /// Height in the DAG; the greater wins.
    #[prost(uint64, tag = "3")]
    pub priority: u64,
    /// Name of the DAG, from later versions of the Go library; empty in ours (wire-protocol §4.2).
    #[prost(string, tag = "4")]
    pub dag_name: String,
}

/// A decoded block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The heads it follows, in the order written.
    pub links: Vec<BlockId>,
    /// Its changes.
    pub delta: Delta,
}

/// Says why bytes are no block of the DAG.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The bytes are too many.
    #[error("a block of {size} bytes is larger than the {MAX_BLOCK} allowed")]
    TooLarge {
        /// Bytes found.
        size: usize,
    },
    /// The bytes are no dag-pb node.
    #[error("not a dag-pb node: {0}")]
    Node(&'static str),
    /// A link does not name a block of the DAG.
    #[error("a link does not name a block of this DAG")]
    Link,
    /// The priority leaves no room for later ones.
    #[error("priority {priority} is greater than any honest one")]
    Priority {
        /// Priority found.
        priority: u64,
    },
    /// The data is no delta.
    #[error("the data is not a delta")]
    Delta(#[from] prost::DecodeError),
}

impl Block {
    /// Writes the canonical bytes: links in ascending order first, each with an empty name and size zero, then
    /// the data.
    pub fn encode(&self) -> Vec<u8> {
        let mut links = self.links.clone();
        links.sort_unstable();
        let data = self.delta.encode_to_vec();
        let mut bytes = Vec::with_capacity(links.len() * 44 + data.len() + 8);
        for link in &links {
            // PBLink: Hash (1) = CID, Name (2) = "", Tsize (3) = 0; the last two present though empty.
            bytes.extend_from_slice(&[0x12, 42, 0x0a, 36]);
            bytes.extend_from_slice(&link.cid_bytes());
            bytes.extend_from_slice(&[0x12, 0x00, 0x18, 0x00]);
        }
        bytes.push(0x0a);
        encode_varint(data.len() as u64, &mut bytes);
        bytes.extend_from_slice(&data);
        bytes
    }

    /// Reads a block; fields may come in any order, as dag-pb readers allow.
    ///
    /// # Errors
    /// Says what does not fit; never panics, whatever the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, BlockError> {
        if bytes.len() > MAX_BLOCK {
            return Err(BlockError::TooLarge { size: bytes.len() });
        }
        let mut rest = bytes;
        let mut links = Vec::new();
        let mut data: Option<&[u8]> = None;
        while !rest.is_empty() {
            let (field, body) = take_field(&mut rest)?;
            match field {
                1 if data.is_none() => data = Some(body),
                1 => return Err(BlockError::Node("two data fields")),
                2 => links.push(decode_link(body)?),
                _ => return Err(BlockError::Node("unknown field")),
            }
        }
        let data = data.ok_or(BlockError::Node("no data field"))?;
        let delta = Delta::decode(data)?;
        if delta.priority > MAX_PRIORITY {
            return Err(BlockError::Priority { priority: delta.priority });
        }
        Ok(Self { links, delta })
    }
}

/// Takes one length-delimited field.
fn take_field<'a>(rest: &mut &'a [u8]) -> Result<(u64, &'a [u8]), BlockError> {
    let short = |_| BlockError::Node("ends early");
    let tag = decode_varint(rest).map_err(short)?;
    if tag & 7 != 2 {
        return Err(BlockError::Node("a field is not length-delimited"));
    }
    let len =
        usize::try_from(decode_varint(rest).map_err(short)?).map_err(|_| BlockError::Node("ends early"))?;
    let (body, after) = rest.split_at_checked(len).ok_or(BlockError::Node("ends early"))?;
    *rest = after;
    Ok((tag >> 3, body))
}

fn decode_link(mut rest: &[u8]) -> Result<BlockId, BlockError> {
    let mut hash = None;
    while !rest.is_empty() {
        if rest.starts_with(&[0x18]) {
            // Tsize: a number nobody uses.
            rest = &rest[1..];
            decode_varint(&mut rest).map_err(|_| BlockError::Node("ends early"))?;
            continue;
        }
        let (field, body) = take_field(&mut rest)?;
        if field == 1 {
            hash = Some(BlockId::from_cid_bytes(body).map_err(|_| BlockError::Link)?);
        }
    }
    hash.ok_or(BlockError::Link)
}

#[cfg(test)]
mod tests;
