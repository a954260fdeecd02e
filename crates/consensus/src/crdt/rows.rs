//! The rows of the Merkle-CRDT.

use super::BlockId;
use cluster_core::{
    PinKey, UnixMillis,
    pinset::{RowReader, RowWriter},
};

const VERSION: u8 = 1;

/// A live element: what one block added under one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementRow {
    /// The priority of its block.
    pub priority: u64,
    /// Its value; `None` while the row of `pins` holds it.
    pub value: Option<Vec<u8>>,
}

impl ElementRow {
    /// Returns the key of the row: the pin's key, then the block.
    pub fn key(key: &PinKey, block: &BlockId) -> Vec<u8> {
        [key.as_bytes(), &block.0].concat()
    }

    /// Takes the block out of a row's key.
    pub fn block_of(row_key: &[u8]) -> Option<BlockId> {
        BlockId::from_slice(row_key.get(row_key.len().checked_sub(32)?..)?)
    }

    /// Takes the pin's key out of a row's key.
    pub fn pin_of(row_key: &[u8]) -> Option<PinKey> {
        PinKey::from_bytes(row_key.get(..row_key.len().checked_sub(32)?)?).ok()
    }

    /// Writes the row.
    pub fn encode(&self) -> Vec<u8> {
        let row = RowWriter::new(VERSION).int(self.priority);
        match &self.value {
            Some(value) => row.byte(1).raw(value),
            None => row.byte(0),
        }
        .finish()
    }

    /// Reads a row; `None` when it has another form.
    pub fn decode(row: &[u8]) -> Option<Self> {
        let mut reader = RowReader::new(row, VERSION)?;
        let priority = reader.int()?;
        let value = match reader.byte()? {
            0 => None,
            _ => Some(reader.rest().to_vec()),
        };
        Some(Self { priority, value })
    }
}

/// What is known of a merged block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergedRow {
    /// The block's priority.
    pub priority: u64,
    /// The walk that brought it; 0 for blocks of our own. While that walk is open, blocks below may be missing.
    pub walk: u64,
}

impl MergedRow {
    /// Writes the row.
    pub fn encode(&self) -> Vec<u8> {
        RowWriter::new(VERSION).int(self.priority).int(self.walk).finish()
    }

    /// Reads a row; `None` when it has another form.
    pub fn decode(row: &[u8]) -> Option<Self> {
        let mut reader = RowReader::new(row, VERSION)?;
        Some(Self { priority: reader.int()?, walk: reader.int()? })
    }
}

/// An accepted operation that no delta carries yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PendingRow {
    /// An add; its value is the pin's row.
    Add {
        /// When it was accepted.
        since: UnixMillis,
    },
    /// A removal.
    Remove {
        /// When it was accepted.
        since: UnixMillis,
        /// The elements that it observed.
        observed: Vec<BlockId>,
        /// The heads known when it was accepted: during a first walk it covers what is found below them.
        heads: Vec<BlockId>,
    },
}

impl PendingRow {
    /// Writes the row.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Add { since } => RowWriter::new(VERSION).byte(1).int(since.0).finish(),
            Self::Remove { since, observed, heads } => {
                let mut row = RowWriter::new(VERSION).byte(2).int(since.0).int(observed.len() as u64);
                for id in observed {
                    row = row.raw(&id.0);
                }
                row = row.int(heads.len() as u64);
                for id in heads {
                    row = row.raw(&id.0);
                }
                row.finish()
            }
        }
    }

    /// Reads a row; `None` when it has another form.
    pub fn decode(row: &[u8]) -> Option<Self> {
        let mut reader = RowReader::new(row, VERSION)?;
        let kind = reader.byte()?;
        let since = UnixMillis(reader.int()?);
        if kind == 1 {
            return Some(Self::Add { since });
        }
        let mut ids = || {
            let count = reader.int()?;
            (0..count).map(|_| BlockId::from_slice(reader.fixed(32)?)).collect::<Option<Vec<_>>>()
        };
        Some(Self::Remove { since, observed: ids()?, heads: ids()? })
    }
}

/// An open walk: a head that was heard of and whose ancestors are not all here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WalkRow {
    /// The head it started from.
    pub root: Option<BlockId>,
    /// Blocks it misses.
    pub missing: u64,
    /// Walks that must end before it does.
    pub waits_for: Vec<u64>,
    /// Heads that its root follows.
    pub covers: Vec<BlockId>,
    /// Whether there were no heads when it started.
    pub first: bool,
    /// Whether its root has followers here, and so never becomes a head.
    pub repair: bool,
}

/// A removal that is in a delta already, while a first walk goes on that began before it: what that walk still finds of the
/// pin is removed as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRemovalRow {
    /// The heads known when the removal was accepted.
    pub heads: Vec<BlockId>,
}

impl OpenRemovalRow {
    /// What the keys of these rows begin with.
    pub const PREFIX: &[u8] = b"u";

    /// Returns the key of the row.
    pub fn key(pin: &PinKey) -> Vec<u8> {
        [Self::PREFIX, pin.as_bytes()].concat()
    }

    /// Writes the row.
    pub fn encode(&self) -> Vec<u8> {
        self.heads.iter().fold(RowWriter::new(VERSION), |row, head| row.raw(&head.0)).finish()
    }

    /// Reads a row; `None` when it has another form.
    pub fn decode(row: &[u8]) -> Option<Self> {
        let heads =
            RowReader::new(row, VERSION)?.rest().chunks_exact(32).filter_map(BlockId::from_slice).collect();
        Some(Self { heads })
    }
}

impl WalkRow {
    /// What the keys of walks begin with.
    pub const PREFIX: &[u8] = b"w";

    /// Returns the key of the row.
    pub fn key(walk: u64) -> Vec<u8> {
        [Self::PREFIX, &walk.to_be_bytes()].concat()
    }

    /// Returns the key of the row of a block that a walk misses; its value is [`WalkRow::owner`].
    pub fn missing_key(block: &BlockId) -> Vec<u8> {
        [b"m".as_slice(), &block.0].concat()
    }

    /// Writes the value of a missing block's row: the walk that misses it.
    pub fn encode_owner(walk: u64) -> Vec<u8> {
        RowWriter::new(VERSION).int(walk).finish()
    }

    /// Reads the value of a missing block's row.
    pub fn decode_owner(row: &[u8]) -> Option<u64> {
        RowReader::new(row, VERSION)?.int()
    }

    /// Writes the row.
    pub fn encode(&self) -> Vec<u8> {
        let mut row = RowWriter::new(VERSION)
            .byte(u8::from(self.first) | u8::from(self.repair) << 1)
            .bytes(self.root.as_ref().map_or(&[], |r| r.0.as_slice()))
            .int(self.missing)
            .int(self.waits_for.len() as u64);
        for walk in &self.waits_for {
            row = row.int(*walk);
        }
        for head in &self.covers {
            row = row.raw(&head.0);
        }
        row.finish()
    }

    /// Reads a row; `None` when it has another form.
    pub fn decode(row: &[u8]) -> Option<Self> {
        let mut reader = RowReader::new(row, VERSION)?;
        let flags = reader.byte()?;
        let (first, repair) = (flags & 1 != 0, flags & 2 != 0);
        let root = BlockId::from_slice(reader.bytes()?);
        let missing = reader.int()?;
        let count = reader.int()?;
        let waits_for = (0..count).map(|_| reader.int()).collect::<Option<Vec<_>>>()?;
        let covers = reader.rest().chunks_exact(32).filter_map(BlockId::from_slice).collect();
        Some(Self { root, missing, waits_for, covers, first, repair })
    }
}

/// Writes a head's row: its height.
pub fn encode_height(height: u64) -> Vec<u8> {
    RowWriter::new(VERSION).int(height).finish()
}

/// Reads a head's row.
pub fn decode_height(row: &[u8]) -> Option<u64> {
    RowReader::new(row, VERSION)?.int()
}
