//! A part of a snapshot: all rows of one range of keys.

use cluster_core::{
    PinKey,
    pinset::{RowReader, RowWriter, stored_pin},
    ports::datastore::{Row, Tree},
};
use sha2::{Digest as _, Sha256};

const VERSION: u8 = 1;

/// Bytes of a chunk at most: rows up to the size at which it ends, and one row that is as large as rows get.
pub const MAX_CHUNK: usize = 2 * 1024 * 1024;

/// Bytes of the checksum at the end of a chunk.
const CHECKSUM: usize = 16;

/// The checksum at the end of a chunk.
pub type Sum = [u8; CHECKSUM];

/// Trees that a snapshot holds; all others are a peer's own or follow from these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// The pinset.
    Pins,
    /// What became of requests with an id: it decides what becomes of their repetitions.
    Requests,
}

impl Section {
    /// Every section, in the order of the chunks.
    pub const ALL: [Self; 2] = [Self::Pins, Self::Requests];

    /// Returns the section whose chunks come next.
    pub fn following(self) -> Option<Self> {
        Self::ALL.into_iter().find(|other| *other > self)
    }

    /// Returns the tree.
    pub fn tree(self) -> Tree {
        match self {
            Self::Pins => Tree::Pins,
            Self::Requests => Tree::Requests,
        }
    }
}

/// Where a chunk begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// In which section.
    pub section: Section,
    /// The key before the first; empty for the beginning.
    pub after: Vec<u8>,
}

impl Place {
    /// Where a snapshot begins.
    pub const FIRST: Self = Self { section: Section::ALL[0], after: Vec::new() };

    /// Returns where the next chunk begins; `None` behind the last.
    fn following(&self, upto: Option<&[u8]>) -> Option<Self> {
        match upto {
            Some(upto) => Some(Self { section: self.section, after: upto.to_vec() }),
            None => self.section.following().map(|section| Self { section, after: Vec::new() }),
        }
    }
}

/// All rows of one section whose keys lie behind its place and not behind `upto`, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Where it begins.
    pub place: Place,
    /// The last key covered, `None` for the end of the section.
    pub upto: Option<Vec<u8>>,
    /// Key and row.
    pub rows: Vec<Row>,
}

/// Bytes are no chunk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// They do not hash to the sum at their end.
    #[error("a part of a snapshot is damaged")]
    Checksum,
    /// They have another form, or hold rows that cannot be.
    #[error("a part of a snapshot cannot be read")]
    Unreadable,
}

/// What a chunk that another peer has is called: two that have one name are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkName {
    /// Where it begins.
    pub place: Place,
    /// The last key covered, `None` for the end of the section.
    pub upto: Option<Vec<u8>>,
    /// What it hashes to.
    pub sum: Sum,
}

impl ChunkName {
    pub(in crate::raft) fn write(&self, row: RowWriter) -> RowWriter {
        write_range(row, &self.place, self.upto.as_deref()).raw(&self.sum)
    }

    pub(in crate::raft) fn read(row: &mut RowReader<'_>) -> Option<Self> {
        let (place, upto) = read_range(row)?;
        if upto.as_ref().is_some_and(|upto| *upto <= place.after) {
            return None;
        }
        Some(Self { place, upto, sum: row.fixed(CHECKSUM)?.try_into().ok()? })
    }
}

fn write_range(row: RowWriter, place: &Place, upto: Option<&[u8]>) -> RowWriter {
    let row = row.byte(place.section as u8).bytes(&place.after);
    match upto {
        Some(key) => row.byte(1).bytes(key),
        None => row.byte(0),
    }
}

fn read_range(row: &mut RowReader<'_>) -> Option<(Place, Option<Vec<u8>>)> {
    let number = row.byte()?;
    let section = Section::ALL.into_iter().find(|section| *section as u8 == number)?;
    let after = row.bytes()?.to_vec();
    let upto = match row.byte()? {
        0 => None,
        1 => Some(row.bytes()?.to_vec()),
        _ => return None,
    };
    Some((Place { section, after }, upto))
}

fn checksum(bytes: &[u8]) -> Sum {
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(&Sha256::digest(bytes)[..CHECKSUM]);
    sum
}

/// Returns the checksum at the end of a chunk, right or wrong.
pub(in crate::raft) fn sum_of(chunk: &[u8]) -> Sum {
    chunk.last_chunk().copied().unwrap_or_default()
}

/// Puts its checksum behind a body.
pub(in crate::raft) fn sealed(body: &[u8]) -> Vec<u8> {
    [body, &checksum(body)].concat()
}

impl Chunk {
    /// Writes the chunk, with its checksum.
    pub fn encode(&self) -> Vec<u8> {
        let mut row = write_range(RowWriter::new(VERSION), &self.place, self.upto.as_deref());
        row = row.int(self.rows.len() as u64);
        for (key, value) in &self.rows {
            row = row.bytes(key).bytes(value);
        }
        sealed(&row.finish())
    }

    /// Reads a chunk and checks that its rows can be stored.
    ///
    /// # Errors
    /// When they are damaged, or are no chunk.
    pub fn decode(bytes: &[u8]) -> Result<Self, ChunkError> {
        let body = bytes.len().checked_sub(CHECKSUM).filter(|_| bytes.len() <= MAX_CHUNK);
        let (body, sum) = bytes.split_at(body.ok_or(ChunkError::Unreadable)?);
        if checksum(body) != sum {
            return Err(ChunkError::Checksum);
        }
        let chunk = RowReader::new(body, VERSION).and_then(read).ok_or(ChunkError::Unreadable)?;
        if chunk.is_sound() { Ok(chunk) } else { Err(ChunkError::Unreadable) }
    }

    /// Says whether the rows lie where the chunk says, in order, and have the form of their section.
    fn is_sound(&self) -> bool {
        let mut before: &[u8] = &self.place.after;
        for (key, row) in &self.rows {
            let is_row = match self.place.section {
                Section::Pins => PinKey::from_bytes(key).is_ok() && row.first() == Some(&stored_pin::VERSION),
                Section::Requests => matches!(key.first(), Some(b'r' | b't')),
            };
            if !is_row || key.as_slice() <= before {
                return false;
            }
            before = key;
        }
        self.upto.as_deref().is_none_or(|upto| before <= upto && self.place.after.as_slice() < upto)
    }

    /// Returns where the next chunk begins; `None` behind the last.
    pub fn following(&self) -> Option<Place> {
        self.place.following(self.upto.as_deref())
    }

    /// Cuts what lies behind `key`, which the chunk covers, off into a chunk of its own.
    pub fn split_behind(&mut self, key: &[u8]) -> Self {
        let at = self.rows.partition_point(|(row, _)| row.as_slice() <= key);
        let rest = Self {
            place: Place { section: self.place.section, after: key.to_vec() },
            upto: self.upto.replace(key.to_vec()),
            rows: self.rows.split_off(at),
        };
        debug_assert!(rest.is_sound());
        rest
    }
}

fn read(mut row: RowReader<'_>) -> Option<Chunk> {
    let (place, upto) = read_range(&mut row)?;
    let count = row.int()?;
    let mut rows = Vec::new();
    for _ in 0..count {
        rows.push((row.bytes()?.to_vec(), row.bytes()?.to_vec()));
    }
    row.is_empty().then_some(Chunk { place, upto, rows })
}

/// What all chunks of a snapshot hash to, in order.
#[derive(Debug, Clone, Default)]
pub struct Digest(Sha256);

impl Digest {
    /// Adds the checksum of the next chunk.
    pub fn add(&mut self, sum: Sum) {
        self.0.update(sum);
    }

    /// Returns the digest.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Vec<u8> {
        vec![1, 0x55, 0, 1, number]
    }

    fn chunk() -> Chunk {
        let rows = [3, 5, 9].map(|number| (key(number), vec![stored_pin::VERSION, number]));
        let place = Place { section: Section::Pins, after: key(2) };
        Chunk { place, upto: Some(key(9)), rows: rows.to_vec() }
    }

    #[test]
    fn what_is_written_is_read() {
        let requests = Chunk {
            place: Place { section: Section::Requests, after: Vec::new() },
            upto: None,
            rows: vec![(b"rid".to_vec(), vec![1, 2])],
        };
        for chunk in [chunk(), requests] {
            assert_eq!(Chunk::decode(&chunk.encode()), Ok(chunk));
        }
    }

    #[test]
    fn every_changed_byte_is_seen() {
        let bytes = chunk().encode();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert_eq!(Chunk::decode(&changed), Err(ChunkError::Checksum), "byte {at}");
            assert!(Chunk::decode(&bytes[..at]).is_err(), "the first {at} bytes");
        }
    }

    #[test]
    fn rows_out_of_place_are_refused() {
        let with = |change: fn(&mut Chunk)| {
            let mut chunk = chunk();
            change(&mut chunk);
            Chunk::decode(&chunk.encode())
        };
        assert_eq!(with(|c| c.rows.swap(0, 1)), Err(ChunkError::Unreadable));
        assert_eq!(with(|c| c.place.after = key(3)), Err(ChunkError::Unreadable));
        assert_eq!(with(|c| c.upto = Some(key(8))), Err(ChunkError::Unreadable));
        assert_eq!(with(|c| c.rows[0].0 = vec![7]), Err(ChunkError::Unreadable));
        assert_eq!(with(|c| c.rows[0].1.clear()), Err(ChunkError::Unreadable));
        assert!(with(|c| c.upto = None).is_ok());
    }

    #[test]
    fn a_chunk_is_cut_in_two() {
        for (cut, left) in [(3, 1), (4, 1), (8, 2)] {
            let mut first = chunk();
            let rest = first.split_behind(&key(cut));
            assert_eq!((first.rows.len(), rest.rows.len()), (left, 3 - left));
            assert_eq!((first.upto.clone(), first.following()), (Some(key(cut)), Some(rest.place)));
            assert_eq!(rest.upto, Some(key(9)));
        }
    }
}
