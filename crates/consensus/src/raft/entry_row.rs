//! The row of an entry: what peers send each other of it, and a checksum that also covers its place.
//!
//! The engine has checksums of its own. This one is for what they cannot see: a row that was damaged before it was written,
//! or that lies under another key.

use super::{
    codec::{read_entry, write_entry},
    type_config::Entry,
};
use sha2::{Digest as _, Sha256};

/// Bytes of the checksum at the end of a row.
const CHECKSUM: usize = 8;

fn checksum(index: u64, entry: &[u8]) -> [u8; CHECKSUM] {
    let digest = Sha256::new().chain_update(index.to_be_bytes()).chain_update(entry).finalize();
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(&digest[..CHECKSUM]);
    sum
}

/// Writes the row of an entry; its index is the key.
pub(super) fn write_row(entry: &Entry) -> Vec<u8> {
    let mut row = write_entry(entry);
    let sum = checksum(entry.log_id.index, &row);
    row.extend(sum);
    row
}

/// Reads the row under an index; `None` when it is damaged.
pub(super) fn read_row(index: u64, row: &[u8]) -> Option<Entry> {
    let (entry, sum) = row.split_at_checked(row.len().checked_sub(CHECKSUM)?)?;
    if checksum(index, entry) != sum {
        return None;
    }
    read_entry(index, entry)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{codec::log_id, position::LogPosition, type_config::ProposalBytes},
        *,
    };
    use openraft::EntryPayload;

    #[test]
    fn every_changed_byte_is_seen_and_every_other_place() {
        let position = LogPosition { term: 3, index: 300 };
        let payload = EntryPayload::Normal(ProposalBytes([1, 2, 3].as_slice().into()));
        let entry = Entry { log_id: log_id(position), payload };
        let row = write_row(&entry);
        assert_eq!(read_row(300, &row), Some(entry));
        assert_eq!(read_row(301, &row), None);
        for at in 0..row.len() {
            let mut changed = row.clone();
            changed[at] ^= 0x10;
            assert_eq!(read_row(300, &changed), None, "byte {at}");
            assert_eq!(read_row(300, &row[..at]), None, "the first {at} bytes");
        }
    }
}
