//! The row each batch begins with: the number of the commit and how far the log was known to be synced.
//!
//! It tells a torn end of the journal from damage. Writeback may persist the pages of unsynced batches in any order,
//! so a readable batch behind an unreadable one proves nothing by itself; one that was written after the unreadable
//! one had been synced does.

/// Key of the row; its first byte is no tree's number.
const KEY: [u8; 2] = [0xff, b'n'];
const VALUE_LEN: usize = 16;

/// Position of a batch in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct CommitMarker {
    /// Number of this commit; the first is 1, without gaps.
    pub(super) number: u64,
    /// Last commit known to be on the disk when this one was written.
    pub(super) synced: u64,
}

impl CommitMarker {
    /// Returns the key of the row.
    pub(super) fn key() -> [u8; 2] {
        KEY
    }

    /// Encodes the value of the row.
    pub(super) fn value(self) -> [u8; VALUE_LEN] {
        let mut value = [0; VALUE_LEN];
        value[..8].copy_from_slice(&self.number.to_le_bytes());
        value[8..].copy_from_slice(&self.synced.to_le_bytes());
        value
    }

    /// Decodes the row, if it is one.
    pub(super) fn decode(key: &[u8], value: &[u8]) -> Option<Self> {
        if key != KEY {
            return None;
        }
        let (number, synced) = value.split_at_checked(8)?;
        Some(Self {
            number: u64::from_le_bytes(number.try_into().ok()?),
            synced: u64::from_le_bytes(synced.try_into().ok()?),
        })
    }

    /// Says whether the journal item in `bytes` may be a marker: cheap, and never wrong about a real one.
    pub(super) fn may_begin_item(bytes: &[u8]) -> bool {
        bytes.get(21..23).is_some_and(|key| key == KEY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_round_trips() {
        let marker = CommitMarker { number: 7, synced: 5 };
        assert_eq!(CommitMarker::decode(&CommitMarker::key(), &marker.value()), Some(marker));
        assert_eq!(CommitMarker::decode(b"xx", &marker.value()), None);
        assert_eq!(CommitMarker::decode(&CommitMarker::key(), b"short"), None);
    }
}
