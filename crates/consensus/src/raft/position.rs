//! A place in the log.

use cluster_core::pinset::{RowReader, RowWriter};

/// A place in the log: which leader's term it is of, and its number. Within one log both only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition {
    /// Term of the leader that proposed the entry.
    pub term: u64,
    /// Number of the entry.
    pub index: u64,
}

impl LogPosition {
    pub(super) fn write(self, row: RowWriter) -> RowWriter {
        row.int(self.term).int(self.index)
    }

    pub(super) fn read(row: &mut RowReader<'_>) -> Option<Self> {
        Some(Self { term: row.int()?, index: row.int()? })
    }

    /// Writes a place, or that there is none.
    pub(super) fn write_optional(position: Option<Self>, row: RowWriter) -> RowWriter {
        match position {
            Some(position) => position.write(row.byte(1)),
            None => row.byte(0),
        }
    }

    /// Reads a place, or that there is none; `None` when it is neither.
    pub(super) fn read_optional(row: &mut RowReader<'_>) -> Option<Option<Self>> {
        match row.byte()? {
            0 => Some(None),
            1 => Some(Some(Self::read(row)?)),
            _ => None,
        }
    }
}

impl std::fmt::Display for LogPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.term, self.index)
    }
}
