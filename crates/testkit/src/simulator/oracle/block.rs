//! The oracle's own reading of a block.

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// A block's SHA-256.
pub(in crate::simulator) type Name = [u8; 32];

/// What one block says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::simulator) struct BlockContent {
    pub(in crate::simulator) links: Vec<Name>,
    /// Value by binary CID; of a repeated key the greatest.
    pub(in crate::simulator) elements: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Binary CID and block.
    pub(in crate::simulator) tombstones: Vec<(Vec<u8>, Name)>,
    pub(in crate::simulator) priority: u64,
}

impl BlockContent {
    /// Reads the bytes of a block that one of our replicas wrote, and is strict about their form.
    pub(in crate::simulator) fn read(name: &Name, bytes: &[u8]) -> Result<Self> {
        let hash: Name = Sha256::digest(bytes).into();
        ensure!(hash == *name, "a block does not hash to its name");
        let mut content = Self::default();
        let mut parts = split(bytes)?.into_iter().peekable();
        while let Some(Part::Bytes(2, link)) = parts.next_if(|part| matches!(part, Part::Bytes(2, _))) {
            match split(link)?.as_slice() {
                [Part::Bytes(1, cid), Part::Bytes(2, []), Part::Number(3, 0)] => {
                    let hash = cid.strip_prefix(&[1, 0x70, 0x12, 32]).context("a link of another kind")?;
                    content.links.push(hash.try_into()?);
                }
                other => bail!("a link of {} parts", other.len()),
            }
        }
        ensure!(content.links.is_sorted(), "links out of order");
        let (Some(Part::Bytes(1, delta)), None) = (parts.next(), parts.next()) else { bail!("no data") };
        for part in split(delta)? {
            match part {
                Part::Bytes(1, element) => match split(element)?.as_slice() {
                    [Part::Bytes(1, key), Part::Bytes(3, value)] => {
                        let old = content.elements.insert(base32(key)?, value.to_vec());
                        ensure!(old.is_none(), "a delta repeats a key");
                    }
                    other => bail!("an element of {} parts", other.len()),
                },
                Part::Bytes(2, tombstone) => match split(tombstone)?.as_slice() {
                    [Part::Bytes(1, key), Part::Bytes(2, id)] => {
                        let id = base32(id)?;
                        let block = id.strip_prefix(&[0x12, 32]).context("a tombstone of no block")?;
                        content.tombstones.push((base32(key)?, block.try_into()?));
                    }
                    other => bail!("a tombstone of {} parts", other.len()),
                },
                Part::Number(3, priority) => content.priority = priority,
                _ => bail!("an unknown part of a delta"),
            }
        }
        let both = content.tombstones.iter().any(|(key, _)| content.elements.contains_key(key));
        ensure!(!both, "a delta adds and removes one key");
        Ok(content)
    }
}

enum Part<'a> {
    Number(u64, u64),
    Bytes(u64, &'a [u8]),
}

/// Takes a protobuf message apart.
fn split(mut bytes: &[u8]) -> Result<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let tag = number(&mut bytes)?;
        match tag & 7 {
            0 => parts.push(Part::Number(tag >> 3, number(&mut bytes)?)),
            2 => {
                let len = usize::try_from(number(&mut bytes)?)?;
                let (body, rest) = bytes.split_at_checked(len).context("ends early")?;
                parts.push(Part::Bytes(tag >> 3, body));
                bytes = rest;
            }
            other => bail!("wire type {other}"),
        }
    }
    Ok(parts)
}

fn number(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().context("ends early")?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if *first < 0x80 {
            return Ok(value);
        }
    }
    bail!("a number without end")
}

/// Reads a slash and base32.
fn base32(text: &[u8]) -> Result<Vec<u8>> {
    let encoded = text.strip_prefix(b"/").context("no slash")?;
    let (mut bits, mut count, mut bytes) = (0u32, 0, Vec::new());
    for c in encoded {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'2'..=b'7' => c - b'2' + 26,
            other => bail!("{other} in base32"),
        };
        bits = (bits << 5) | u32::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Ok(bytes)
}
