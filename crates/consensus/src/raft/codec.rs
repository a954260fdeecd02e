//! The bytes of what openraft hands over: entries, votes and memberships. Places are [`LogPosition`]s.

use super::{
    NodeId,
    position::LogPosition,
    proposal::MAX_PROPOSAL,
    rows::{MembershipRow, VERSION},
    type_config::{Entry, LogId, ProposalBytes, TypeConfig, Vote, alias},
};
use cluster_core::{
    PeerId,
    pinset::{RowReader, RowWriter},
};
use openraft::{EntryPayload, Membership, impls::EmptyNode};
use std::collections::{BTreeMap, BTreeSet};

pub(super) type RaftMembership = Membership<NodeId, EmptyNode>;
pub(super) type StoredMembership = alias::StoredMembershipOf<TypeConfig>;

const BLANK: u8 = 0;
const NORMAL: u8 = 1;
const MEMBERSHIP: u8 = 2;

/// Members of a cluster at most, and configurations of a joint one.
const MAX_MEMBERS: u64 = 10_000;

pub(super) fn position(id: &LogId) -> LogPosition {
    LogPosition { term: id.leader_id.term, index: id.index }
}

pub(super) fn log_id(position: LogPosition) -> LogId {
    LogId::new(alias::CommittedLeaderIdOf::<TypeConfig>::new(position.term), position.index)
}

/// Writes the row of an entry; its index is the key.
pub(super) fn write_entry(entry: &Entry) -> Vec<u8> {
    let row = RowWriter::new(VERSION).int(entry.log_id.leader_id.term);
    match &entry.payload {
        EntryPayload::Blank => row.byte(BLANK).finish(),
        EntryPayload::Normal(ProposalBytes(bytes)) => row.byte(NORMAL).raw(bytes).finish(),
        EntryPayload::Membership(members) => write_membership(row.byte(MEMBERSHIP), members).finish(),
    }
}

/// Returns about how many bytes an entry takes.
pub(super) fn entry_bytes(entry: &Entry) -> usize {
    match &entry.payload {
        EntryPayload::Blank => 16,
        EntryPayload::Normal(ProposalBytes(bytes)) => 16 + bytes.len(),
        EntryPayload::Membership(members) => 16 + 48 * members.nodes().count(),
    }
}

/// Reads the row of an entry.
pub(super) fn read_entry(index: u64, row: &[u8]) -> Option<Entry> {
    let mut reader = RowReader::new(row, VERSION)?;
    let term = reader.int()?;
    let payload = match reader.byte()? {
        BLANK => reader.is_empty().then_some(EntryPayload::Blank)?,
        NORMAL => {
            let bytes = reader.rest();
            EntryPayload::Normal((bytes.len() <= MAX_PROPOSAL).then(|| ProposalBytes(bytes.into()))?)
        }
        MEMBERSHIP => EntryPayload::Membership(read_membership(reader)?),
        _ => return None,
    };
    Some(Entry { log_id: log_id(LogPosition { term, index }), payload })
}

fn write_membership(row: RowWriter, members: &RaftMembership) -> RowWriter {
    let configs = members.get_joint_config();
    let mut row = row.int(configs.len() as u64);
    for config in configs {
        row = write_nodes(row, config.iter(), config.len());
    }
    let nodes: Vec<&NodeId> = members.nodes().map(|(node, _)| node).collect();
    write_nodes(row, nodes.iter().copied(), nodes.len())
}

fn write_nodes<'a>(row: RowWriter, nodes: impl Iterator<Item = &'a NodeId>, count: usize) -> RowWriter {
    nodes.fold(row.int(count as u64), |row, node| row.bytes(&node.peer().to_bytes()))
}

fn read_membership(mut row: RowReader<'_>) -> Option<RaftMembership> {
    let count = row.int().filter(|count| *count <= MAX_MEMBERS)?;
    let mut configs = Vec::new();
    for _ in 0..count {
        configs.push(read_nodes(&mut row)?);
    }
    let nodes: BTreeMap<NodeId, EmptyNode> =
        read_nodes(&mut row)?.into_iter().map(|node| (node, EmptyNode::default())).collect();
    let known = configs.iter().flatten().all(|voter| nodes.contains_key(voter));
    if !row.is_empty() || !known {
        return None;
    }
    // The one that nobody is in is what a peer has that was never told of any.
    if configs.is_empty() && nodes.is_empty() {
        return Some(RaftMembership::default());
    }
    RaftMembership::new(configs, nodes).ok()
}

fn read_nodes(row: &mut RowReader<'_>) -> Option<BTreeSet<NodeId>> {
    let count = row.int().filter(|count| *count <= MAX_MEMBERS)?;
    let mut nodes = BTreeSet::new();
    for _ in 0..count {
        nodes.insert(NodeId::from(PeerId::from_bytes(row.bytes()?).ok()?));
    }
    Some(nodes)
}

/// Writes who is a member.
pub(super) fn membership_row(stored: &StoredMembership) -> MembershipRow {
    MembershipRow {
        position: stored.log_id().as_ref().map(position),
        members: write_membership(RowWriter::new(VERSION), stored.membership()).finish(),
    }
}

/// Reads who is a member; `None` when it cannot be read.
pub(super) fn stored_membership(row: &MembershipRow) -> Option<StoredMembership> {
    if row.members.is_empty() {
        return Some(StoredMembership::default());
    }
    let members = RowReader::new(&row.members, VERSION).and_then(read_membership)?;
    Some(StoredMembership::new(row.position.map(log_id), members))
}

/// Writes the row of a vote.
pub(super) fn write_vote(vote: &Vote) -> Vec<u8> {
    let row = RowWriter::new(VERSION).int(vote.leader_id.term).byte(u8::from(vote.committed));
    row.raw(&vote.leader_id.voted_for.peer().to_bytes()).finish()
}

/// Reads the row of a vote.
pub(super) fn read_vote(row: &[u8]) -> Option<Vote> {
    let mut reader = RowReader::new(row, VERSION)?;
    let term = reader.int()?;
    let committed = match reader.byte()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    let voted_for = NodeId::from(PeerId::from_bytes(reader.rest()).ok()?);
    let leader_id = alias::LeaderIdOf::<TypeConfig> { term, voted_for };
    Some(Vote { leader_id, committed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn nodes(random: &mut ChaCha8Rng) -> BTreeSet<NodeId> {
        (0..random.random_range(1..5)).map(|_| NodeId::from(PeerId::random())).collect()
    }

    fn entry(random: &mut ChaCha8Rng) -> Entry {
        let payload = match random.random_range(0..3) {
            0 => EntryPayload::Blank,
            1 => {
                let length = random.random_range(0..300);
                EntryPayload::Normal(ProposalBytes((0..length).map(|_| random.random()).collect()))
            }
            _ => {
                let configs: Vec<_> = (0..random.random_range(1..3)).map(|_| nodes(random)).collect();
                let learners = nodes(random);
                EntryPayload::Membership(Membership::new_with_defaults(configs, learners))
            }
        };
        Entry { log_id: log_id(LogPosition { term: random.random(), index: random.random() }), payload }
    }

    #[test]
    fn entries_are_read_as_they_were_written() {
        for seed in 0..300 {
            let entry = entry(&mut ChaCha8Rng::seed_from_u64(seed));
            let row = write_entry(&entry);
            assert_eq!(read_entry(entry.log_id.index, &row), Some(entry), "seed {seed}");
        }
    }

    #[test]
    fn changed_bytes_are_refused_or_are_another_entry() {
        for seed in 0..1000 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let mut row = write_entry(&entry(&mut random));
            let at = random.random_range(0..row.len());
            match random.random_range(0..3) {
                0 => row[at] = random.random(),
                1 => row.truncate(at),
                _ => row.insert(at, random.random()),
            }
            if let Some(entry) = read_entry(7, &row) {
                assert_eq!(read_entry(7, &write_entry(&entry)), Some(entry), "seed {seed}");
            }
        }
    }

    #[test]
    fn votes_are_read_as_they_were_written() {
        for committed in [false, true] {
            let voted_for = NodeId::from(PeerId::random());
            let vote =
                Vote { leader_id: alias::LeaderIdOf::<TypeConfig> { term: 300, voted_for }, committed };
            let row = write_vote(&vote);
            assert_eq!(read_vote(&row), Some(vote));
            (0..row.len()).for_each(|length| assert_eq!(read_vote(&row[..length]), None));
        }
    }

    #[test]
    fn memberships_are_read_as_they_were_written() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let members =
            Membership::new_with_defaults(vec![nodes(&mut random), nodes(&mut random)], nodes(&mut random));
        let stored = StoredMembership::new(Some(log_id(LogPosition { term: 1, index: 2 })), members);
        assert_eq!(stored_membership(&membership_row(&stored)), Some(stored));
        let none = StoredMembership::default();
        assert_eq!(stored_membership(&membership_row(&none)), Some(none.clone()));
        assert_eq!(stored_membership(&MembershipRow::default()), Some(none));
    }
}
