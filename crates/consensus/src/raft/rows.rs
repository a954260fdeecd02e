//! The rows of `RaftState`, and the keys of `RaftLog`.
//!
//! The log's thread writes `vote`, `committed`, `purged` and `end`, the pinset's writer `applied` and `installing`.

use super::{cluster_id::ClusterId, position::LogPosition, snapshot::Place};
use cluster_core::{
    UnixMillis,
    pinset::{RowReader, RowWriter},
};

use cluster_core::ports::datastore::StoreError;

pub(super) const VERSION: u8 = 1;

/// How a peer voted last.
pub(super) const VOTE: &[u8] = b"vote";
/// Up to where the log is known to be committed.
pub(super) const COMMITTED: &[u8] = b"committed";
/// Up to where the log is gone. Entries that are there all the same are deleted at the next start.
pub(super) const PURGED: &[u8] = b"purged";
/// Up to where the pinset has carried out the log.
pub(super) const APPLIED: &[u8] = b"applied";
/// The snapshot that the pinset is being made equal to: what `applied` says once it is. All its chunks are here.
pub(super) const INSTALLING: &[u8] = b"installing";

/// Where the log ends: the index behind its last entry, whether that was appended or is what was left by a truncation. In the batch
/// of either, so that an entry that is lost later is missed. Purging leaves it as it is.
pub(super) const END: &[u8] = b"end";

/// The cluster that a leader took this peer into, or that a recovery made. Written once by whoever learns of it.
pub(super) const CLUSTER: &[u8] = b"cluster";

/// There while a peer that came with nothing wants the vote back that it had.
pub(super) const WANTS_VOTE: &[u8] = b"wants-vote";

/// What the keys of an arriving snapshot begin with. No index of an entry comes near.
const SPOOL: u8 = 0xff;

/// The place in the log of the latest snapshot of which there are chunks. They follow it.
pub(super) const SPOOLED: &[u8] = &[SPOOL];

/// Makes the key of an entry.
pub(super) fn entry_key(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

/// Returns the number of the entry under a key; `None` for another row.
pub(super) fn entry_index(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

/// The first key behind all entries.
pub(super) const ENTRIES_END: &[u8] = SPOOLED;

/// Makes the key of the chunk that begins at a place.
pub(super) fn spool_key(place: &Place) -> Vec<u8> {
    [&[SPOOL, place.section as u8], place.after.as_slice()].concat()
}

/// Says that a row cannot be read.
pub(super) fn damaged(row: &'static str) -> StoreError {
    broken(format!("the row {row} cannot be read"))
}

/// Says what is wrong with the rows.
pub(super) fn broken(detail: String) -> StoreError {
    StoreError::DamagedRaft { detail }
}

/// Writes the row of one place.
pub(super) fn position_row(position: LogPosition) -> Vec<u8> {
    position.write(RowWriter::new(VERSION)).finish()
}

/// Reads the row of one place.
pub(super) fn read_position(row: &[u8]) -> Option<LogPosition> {
    let mut reader = RowReader::new(row, VERSION)?;
    LogPosition::read(&mut reader).filter(|_| reader.is_empty())
}

/// Writes the row of the log's end.
pub(super) fn end_row(end: u64) -> Vec<u8> {
    RowWriter::new(VERSION).int(end).finish()
}

/// Reads the row of the log's end.
pub(super) fn read_end(row: &[u8]) -> Option<u64> {
    let mut reader = RowReader::new(row, VERSION)?;
    reader.int().filter(|_| reader.is_empty())
}

/// Writes the row of the cluster.
pub(super) fn cluster_row(cluster: ClusterId) -> Vec<u8> {
    RowWriter::new(VERSION).raw(&cluster.to_bytes()).finish()
}

/// Reads the row of the cluster.
pub(super) fn read_cluster(row: &[u8]) -> Option<ClusterId> {
    RowReader::new(row, VERSION).and_then(|reader| ClusterId::from_bytes(reader.rest()))
}

/// Who is a member, as the state machine knows it: the entry that said so, and what it said, as the log writes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MembershipRow {
    /// The entry; none for what a peer was given at first.
    pub position: Option<LogPosition>,
    /// The membership's bytes; empty for none.
    pub members: Vec<u8>,
}

impl MembershipRow {
    fn write(&self, row: RowWriter) -> RowWriter {
        LogPosition::write_optional(self.position, row).bytes(&self.members)
    }

    fn read(row: &mut RowReader<'_>) -> Option<Self> {
        Some(Self { position: LogPosition::read_optional(row)?, members: row.bytes()?.to_vec() })
    }
}

/// Up to where the pinset has carried out the log, and what else every peer has alike at that point.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AppliedRow {
    /// The last entry carried out.
    pub last: Option<LogPosition>,
    /// The members as of that entry.
    pub membership: MembershipRow,
    /// Raft's clock: the greatest time of any entry so far.
    pub clock: UnixMillis,
    /// The id that the first leader gave the cluster, once it is in the log.
    pub cluster: Option<ClusterId>,
}

impl AppliedRow {
    /// Writes the row.
    pub fn encode(&self) -> Vec<u8> {
        let row = LogPosition::write_optional(self.last, RowWriter::new(VERSION)).int(self.clock.0);
        ClusterId::write_optional(self.cluster, self.membership.write(row)).finish()
    }

    /// Reads a row; `None` when it is none.
    pub fn decode(row: &[u8]) -> Option<Self> {
        let mut reader = RowReader::new(row, VERSION)?;
        let last = LogPosition::read_optional(&mut reader)?;
        let clock = UnixMillis(reader.int()?);
        let membership = MembershipRow::read(&mut reader)?;
        let cluster = ClusterId::read_optional(&mut reader)?;
        reader.is_empty().then_some(Self { last, membership, clock, cluster })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::snapshot::Section, *};

    #[test]
    fn rows_are_read_as_they_were_written() {
        let place = LogPosition { term: 3, index: 900 };
        let membership = MembershipRow { position: Some(place), members: vec![1, 2, 3] };
        for last in [None, Some(place)] {
            let cluster = last.map(|_| ClusterId::random());
            let applied = AppliedRow { last, membership: membership.clone(), clock: UnixMillis(77), cluster };
            let row = applied.encode();
            assert_eq!(AppliedRow::decode(&row), Some(applied.clone()));
            assert_eq!(AppliedRow::decode(&row[..row.len() - 1]), None);
            assert_eq!(AppliedRow::decode(&[&row[..], &[0]].concat()), None);
        }
        assert_eq!(read_position(&position_row(place)), Some(place));
        let cluster = ClusterId::random();
        assert_eq!(read_cluster(&cluster_row(cluster)), Some(cluster));
        assert_eq!(read_cluster(&cluster_row(cluster)[..20]), None);
    }

    #[test]
    fn chunks_lie_behind_every_entry() {
        assert!(entry_key(u64::MAX >> 8).as_slice() < ENTRIES_END);
        let key = spool_key(&Place::FIRST);
        assert!(
            SPOOLED < key.as_slice()
                && key < spool_key(&Place { section: Section::Requests, after: vec![1] })
        );
        assert_eq!(entry_index(&entry_key(7)), Some(7));
    }
}
