//! Which tables a list names.
//!
//! Table of contents: magic, count (u32), then for each section its position (u64), length (u64) and name (u16 and
//! bytes). Section `tables`: count of levels (u8), of runs in each (u8), of tables in each run (u32); a table is its
//! number (u64), kind of checksum (u8), checksum (16), sequence number (u64).

use super::TRAILER_LEN;

const MAGIC: &[u8] = b"TOC!";

/// Reads the tables' numbers from a list whose checksum was verified; none when it is laid out differently.
pub(super) fn parse(list: &[u8]) -> Option<Vec<u64>> {
    let contents_end = list.len().checked_sub(usize::try_from(TRAILER_LEN).ok()?)?;
    let position = u64::from_le_bytes(*list.get(contents_end + 22..)?.first_chunk()?);
    let mut contents = Bytes(list.get(usize::try_from(position).ok()?..contents_end)?);
    if contents.take(MAGIC.len())? != MAGIC {
        return None;
    }
    for _ in 0..contents.u32()? {
        let (position, len, name_len) = (contents.u64()?, contents.u64()?, contents.u16()?);
        if contents.take(usize::from(name_len))? == b"tables" {
            let start = usize::try_from(position).ok()?;
            let end = start.checked_add(usize::try_from(len).ok()?)?;
            return tables(Bytes(list.get(start..end)?));
        }
    }
    None
}

fn tables(mut section: Bytes<'_>) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    for _ in 0..section.u8()? {
        for _ in 0..section.u8()? {
            for _ in 0..section.u32()? {
                numbers.push(section.u64()?);
                section.take(1 + 16 + 8)?;
            }
        }
    }
    Some(numbers)
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.first_chunk().copied()
    }

    fn u8(&mut self) -> Option<u8> {
        self.chunk().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.chunk().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.chunk().map(u64::from_le_bytes)
    }
}
