//! A digest of what was published, in 4,096 buckets: equal on peers that hold the same elements and tombstones.

use super::{
    row_codec::{RowReader, RowWriter},
    staged::Staged,
};
use crate::{
    PinKey,
    ports::datastore::{Cursor, Snapshot, StoreError, Tree},
};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Number of buckets.
pub const BUCKETS: usize = 4096;

const VERSION: u8 = 1;

/// Digest of a set: the sum, modulo 2^128, of the first 16 bytes of each member's SHA-256, and how many there are.
/// A sum and not an exclusive or, so that members cannot cancel each other out pairwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetDigest {
    sum: u128,
    count: u64,
}

impl SetDigest {
    fn add(&mut self, hash: u128) {
        self.sum = self.sum.wrapping_add(hash);
        self.count = self.count.wrapping_add(1);
    }

    fn sub(&mut self, hash: u128) {
        self.sum = self.sum.wrapping_sub(hash);
        self.count = self.count.wrapping_sub(1);
    }
}

/// One bucket: the elements and the tombstones of the keys that fall into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket {
    /// Live elements (key and block).
    pub elements: SetDigest,
    /// Tombstones (key and block).
    pub tombstones: SetDigest,
}

impl Bucket {
    fn encode(&self) -> Vec<u8> {
        RowWriter::new(VERSION)
            .int(self.elements.count)
            .int(self.tombstones.count)
            .raw(&self.elements.sum.to_be_bytes())
            .raw(&self.tombstones.sum.to_be_bytes())
            .finish()
    }

    fn decode(row: &[u8]) -> Option<Self> {
        let mut reader = RowReader::new(row, VERSION)?;
        let (elements, tombstones) = (reader.int()?, reader.int()?);
        let mut sum = || Some(u128::from_be_bytes(reader.fixed(16)?.try_into().ok()?));
        Some(Self {
            elements: SetDigest { count: elements, sum: sum()? },
            tombstones: SetDigest { count: tombstones, sum: sum()? },
        })
    }
}

/// The fingerprint of the published part of the pinset. Operations that no delta carries yet are not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    buckets: Vec<Bucket>,
    changed: BTreeSet<u16>,
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self { buckets: vec![Bucket::default(); BUCKETS], changed: BTreeSet::new() }
    }
}

impl Fingerprint {
    /// Reads all buckets.
    ///
    /// # Errors
    /// When the store fails.
    pub fn load(snapshot: &dyn Snapshot) -> Result<Self, StoreError> {
        let mut fingerprint = Self::default();
        let mut cursor = Cursor::all(Tree::Fingerprint);
        while !cursor.is_done() {
            for (key, row) in cursor.next_page_of(snapshot, 4096)? {
                let index = <[u8; 2]>::try_from(key.as_slice()).map(u16::from_be_bytes).map(usize::from);
                if let (Ok(index), Some(bucket)) = (index, Bucket::decode(&row))
                    && index < BUCKETS
                {
                    fingerprint.buckets[index] = bucket;
                }
            }
        }
        Ok(fingerprint)
    }

    /// Returns the bucket of a key: 12 bits of FNV-1a, stable for ever.
    pub fn bucket_of(key: &[u8]) -> u16 {
        let hash = key
            .iter()
            .fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
        ((hash ^ (hash >> 24) ^ (hash >> 48)) & 0xfff) as u16
    }

    fn bucket(&mut self, key: &PinKey) -> &mut Bucket {
        let index = Self::bucket_of(key.as_bytes());
        self.changed.insert(index);
        &mut self.buckets[usize::from(index)]
    }

    /// Adds a live element.
    pub fn add_element(&mut self, key: &PinKey, block: &[u8; 32]) {
        self.bucket(key).elements.add(member(b'e', key, block));
    }

    /// Takes an element out that was tombstoned.
    pub fn remove_element(&mut self, key: &PinKey, block: &[u8; 32]) {
        self.bucket(key).elements.sub(member(b'e', key, block));
    }

    /// Adds a tombstone.
    pub fn add_tombstone(&mut self, key: &PinKey, block: &[u8; 32]) {
        self.bucket(key).tombstones.add(member(b't', key, block));
    }

    /// Returns every bucket, in number order.
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// Digests all buckets into one value, equal on peers that hold the same elements and tombstones.
    pub fn digest(&self) -> [u8; 16] {
        let mut hash = Sha256::new();
        for bucket in &self.buckets {
            hash.update(bucket.encode());
        }
        first_16(&hash.finalize())
    }

    /// Stages the rows of the buckets that changed.
    pub fn stage(&mut self, staged: &mut Staged) {
        for index in std::mem::take(&mut self.changed) {
            let row = self.buckets[usize::from(index)].encode();
            staged.put(Tree::Fingerprint, index.to_be_bytes().to_vec(), row);
        }
    }
}

fn member(tag: u8, key: &PinKey, block: &[u8; 32]) -> u128 {
    let digest =
        Sha256::new().chain_update([tag]).chain_update(block).chain_update(key.as_bytes()).finalize();
    u128::from_be_bytes(first_16(&digest))
}

fn first_16(digest: &[u8]) -> [u8; 16] {
    let mut first = [0; 16];
    first.copy_from_slice(&digest[..16]);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_matter_and_removal_undoes_addition() {
        let keys: Vec<PinKey> = ["bafkqaaa", "bafkqaalb", "bafkqabdunb4gk"]
            .iter()
            .map(|c| PinKey::from_cid(&c.parse().unwrap()))
            .collect();
        let (mut left, mut right) = (Fingerprint::default(), Fingerprint::default());
        keys.iter().for_each(|k| left.add_element(k, &[1; 32]));
        keys.iter().rev().for_each(|k| right.add_element(k, &[1; 32]));
        assert_eq!(left.digest(), right.digest());
        left.add_element(&keys[0], &[2; 32]);
        assert_ne!(left.digest(), right.digest());
        left.remove_element(&keys[0], &[2; 32]);
        assert_eq!(left.digest(), right.digest());
        left.add_tombstone(&keys[0], &[2; 32]);
        assert_ne!(left.digest(), right.digest());
    }

    #[test]
    fn buckets_round_trip() {
        let mut fingerprint = Fingerprint::default();
        let key = PinKey::from_cid(&"bafkqaaa".parse().unwrap());
        fingerprint.add_element(&key, &[7; 32]);
        fingerprint.add_tombstone(&key, &[8; 32]);
        let bucket = fingerprint.buckets()[usize::from(Fingerprint::bucket_of(key.as_bytes()))];
        assert_eq!(Bucket::decode(&bucket.encode()), Some(bucket));
    }
}
