//! What peers ask each other for, as bytes: one request, one answer.

use super::{
    LogPosition, NodeId,
    codec::{self, log_id, position, read_entry, read_vote, write_entry, write_vote},
    rows::AppliedRow,
    type_config::{LogId, TypeConfig, Vote},
};
use cluster_core::{
    PeerId,
    pinset::{RowReader, RowWriter},
    ports::raft::{MAX_RAFT_MESSAGE, RaftLane},
};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest, VoteRequest, VoteResponse,
};

const VERSION: u8 = 1;

/// Entries of one request at most.
const MAX_ENTRIES: u64 = 100_000;

/// A request.
#[derive(Debug)]
pub(super) enum Request {
    Append(AppendEntriesRequest<TypeConfig>),
    Vote(VoteRequest<TypeConfig>),
    PreVote(VoteRequest<TypeConfig>),
    TransferLeader(TransferLeaderRequest<TypeConfig>),
    /// A part of a snapshot; number 0 begins another one.
    Chunk {
        number: u64,
        bytes: Vec<u8>,
    },
    /// All parts were sent.
    Install {
        vote: Vote,
        applied: AppliedRow,
        chunks: u64,
        digest: [u8; 32],
    },
    /// Put a proposal into the log.
    Propose(Vec<u8>),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Append(AppendEntriesResponse<TypeConfig>),
    Vote(VoteResponse<TypeConfig>),
    /// The leadership will be taken over, or not.
    Transfer(bool),
    /// The part was taken.
    ChunkTaken,
    /// The snapshot was installed, or refused because of this vote.
    Installed(Vote),
    /// The proposal is in the log and committed.
    Committed,
    /// The proposal was not put into any log: this peer does not lead, the one named may.
    NotLeader(Option<PeerId>),
    /// The request was not carried out, or only in part.
    Failed(String),
}

fn optional(id: Option<&LogId>, row: RowWriter) -> RowWriter {
    LogPosition::write_optional(id.map(position), row)
}

fn read_optional(row: &mut RowReader<'_>) -> Option<Option<LogId>> {
    Some(LogPosition::read_optional(row)?.map(log_id))
}

fn vote(row: RowWriter, vote: &Vote) -> RowWriter {
    row.bytes(&write_vote(vote))
}

fn take_vote(row: &mut RowReader<'_>) -> Option<Vote> {
    read_vote(row.bytes()?)
}

fn flag(row: &mut RowReader<'_>) -> Option<bool> {
    match row.byte()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

impl Request {
    /// Returns the way it goes: what must not overtake an entry goes with the entries.
    pub(super) fn lane(&self) -> RaftLane {
        match self {
            Self::Append(request) if request.entries.is_empty() => RaftLane::Control,
            Self::Vote(_) | Self::PreVote(_) => RaftLane::Control,
            Self::Append(_) | Self::TransferLeader(_) | Self::Propose(_) => RaftLane::Log,
            Self::Chunk { .. } | Self::Install { .. } => RaftLane::Snapshot,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let row = RowWriter::new(VERSION);
        match self {
            Self::Append(request) => {
                let mut row = vote(row.byte(1), &request.vote);
                row = optional(request.prev_log_id.as_ref(), row);
                row = optional(request.leader_commit.as_ref(), row);
                row = row.int(request.entries.len() as u64);
                for entry in &request.entries {
                    row = row.int(entry.log_id.index).bytes(&write_entry(entry));
                }
                row
            }
            Self::Vote(request) => write_vote_request(row.byte(2), request),
            Self::PreVote(request) => write_vote_request(row.byte(3), request),
            Self::TransferLeader(request) => {
                let row = vote(row.byte(4), request.from_leader());
                optional(request.last_log_id(), row).raw(&request.to_node_id().peer().to_bytes())
            }
            Self::Chunk { number, bytes } => row.byte(5).int(*number).raw(bytes),
            Self::Install { vote: by, applied, chunks, digest } => {
                vote(row.byte(6), by).bytes(&applied.encode()).int(*chunks).raw(digest)
            }
            Self::Propose(bytes) => row.byte(7).raw(bytes),
        }
        .finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_RAFT_MESSAGE {
            return None;
        }
        let mut row = RowReader::new(bytes, VERSION)?;
        let request = match row.byte()? {
            1 => {
                let vote = take_vote(&mut row)?;
                let prev_log_id = read_optional(&mut row)?;
                let leader_commit = read_optional(&mut row)?;
                let count = row.int().filter(|count| *count <= MAX_ENTRIES)?;
                let mut entries = Vec::new();
                for _ in 0..count {
                    let index = row.int()?;
                    entries.push(read_entry(index, row.bytes()?)?);
                }
                Self::Append(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit })
            }
            2 => Self::Vote(read_vote_request(&mut row)?),
            3 => Self::PreVote(read_vote_request(&mut row)?),
            4 => {
                let from = take_vote(&mut row)?;
                let last = read_optional(&mut row)?;
                let to = NodeId::from(PeerId::from_bytes(row.rest()).ok()?);
                return Some(Self::TransferLeader(TransferLeaderRequest::new(from, to, last)));
            }
            5 => return Some(Self::Chunk { number: row.int()?, bytes: row.rest().to_vec() }),
            6 => {
                let vote = take_vote(&mut row)?;
                let applied = AppliedRow::decode(row.bytes()?)?;
                codec::stored_membership(&applied.membership)?;
                let (chunks, digest) = (row.int()?, row.fixed(32)?.try_into().ok()?);
                Self::Install { vote, applied, chunks, digest }
            }
            7 => return Some(Self::Propose(row.rest().to_vec())),
            _ => return None,
        };
        row.is_empty().then_some(request)
    }
}

fn write_vote_request(row: RowWriter, request: &VoteRequest<TypeConfig>) -> RowWriter {
    optional(request.last_log_id.as_ref(), vote(row, &request.vote))
        .byte(u8::from(request.leadership_transfer))
}

fn read_vote_request(row: &mut RowReader<'_>) -> Option<VoteRequest<TypeConfig>> {
    let vote = take_vote(row)?;
    let mut request = VoteRequest::new(vote, read_optional(row)?);
    request.leadership_transfer = flag(row)?;
    Some(request)
}

impl Answer {
    pub(super) fn encode(&self) -> Vec<u8> {
        let row = RowWriter::new(VERSION);
        match self {
            Self::Append(AppendEntriesResponse::Success) => row.byte(1),
            Self::Append(AppendEntriesResponse::PartialSuccess(last)) => optional(last.as_ref(), row.byte(2)),
            Self::Append(AppendEntriesResponse::Conflict) => row.byte(3),
            Self::Append(AppendEntriesResponse::HigherVote(higher)) => vote(row.byte(4), higher),
            Self::Vote(answer) => optional(answer.last_log_id.as_ref(), vote(row.byte(5), &answer.vote))
                .byte(u8::from(answer.vote_granted)),
            Self::Transfer(taken) => row.byte(6).byte(u8::from(*taken)),
            Self::ChunkTaken => row.byte(7),
            Self::Installed(by) => vote(row.byte(8), by),
            Self::Committed => row.byte(9),
            Self::NotLeader(leader) => {
                row.byte(10).bytes(&leader.map(|peer| peer.to_bytes()).unwrap_or_default())
            }
            Self::Failed(cause) => row.byte(11).bytes(cause.as_bytes()),
        }
        .finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut row = RowReader::new(bytes, VERSION).filter(|_| bytes.len() <= MAX_RAFT_MESSAGE)?;
        let answer = match row.byte()? {
            1 => Self::Append(AppendEntriesResponse::Success),
            2 => Self::Append(AppendEntriesResponse::PartialSuccess(read_optional(&mut row)?)),
            3 => Self::Append(AppendEntriesResponse::Conflict),
            4 => Self::Append(AppendEntriesResponse::HigherVote(take_vote(&mut row)?)),
            5 => {
                let vote = take_vote(&mut row)?;
                let last = read_optional(&mut row)?;
                Self::Vote(VoteResponse::new(vote, last, flag(&mut row)?))
            }
            6 => Self::Transfer(flag(&mut row)?),
            7 => Self::ChunkTaken,
            8 => Self::Installed(take_vote(&mut row)?),
            9 => Self::Committed,
            10 => Self::NotLeader(match row.bytes()? {
                [] => None,
                peer => Some(PeerId::from_bytes(peer).ok()?),
            }),
            11 => Self::Failed(std::str::from_utf8(row.bytes()?).ok()?.to_owned()),
            _ => return None,
        };
        row.is_empty().then_some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::{MembershipRow, ProposalBytes, type_config::Entry};
    use cluster_core::UnixMillis;
    use openraft::EntryPayload;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn vote(term: u64) -> Vote {
        openraft::impls::Vote::new_committed(term, PeerId::random().into())
    }

    fn id(index: u64) -> LogId {
        log_id(LogPosition { term: 3, index })
    }

    fn requests() -> Vec<Request> {
        let entry = |index, payload| Entry { log_id: id(index), payload };
        let entries = vec![
            entry(7, EntryPayload::Blank),
            entry(8, EntryPayload::Normal(ProposalBytes([1, 2, 3].as_slice().into()))),
        ];
        let mut asked = VoteRequest::new(vote(4), Some(id(9)));
        asked.leadership_transfer = true;
        let applied = AppliedRow {
            last: Some(LogPosition { term: 1, index: 2 }),
            membership: MembershipRow::default(),
            clock: UnixMillis(5),
        };
        vec![
            Request::Append(AppendEntriesRequest {
                vote: vote(3),
                prev_log_id: Some(id(6)),
                entries,
                leader_commit: None,
            }),
            Request::Vote(VoteRequest::new(vote(4), None)),
            Request::PreVote(asked),
            Request::TransferLeader(TransferLeaderRequest::new(
                vote(1),
                PeerId::random().into(),
                Some(id(1)),
            )),
            Request::Chunk { number: 300, bytes: vec![1, 2] },
            Request::Install { vote: vote(2), applied, chunks: 3, digest: [7; 32] },
            Request::Propose(vec![9]),
        ]
    }

    fn answers() -> Vec<Answer> {
        vec![
            Answer::Append(AppendEntriesResponse::Success),
            Answer::Append(AppendEntriesResponse::PartialSuccess(Some(id(3)))),
            Answer::Append(AppendEntriesResponse::PartialSuccess(None)),
            Answer::Append(AppendEntriesResponse::Conflict),
            Answer::Append(AppendEntriesResponse::HigherVote(vote(9))),
            Answer::Vote(VoteResponse::new(vote(8), Some(id(2)), true)),
            Answer::Transfer(true),
            Answer::ChunkTaken,
            Answer::Installed(vote(7)),
            Answer::Committed,
            Answer::NotLeader(None),
            Answer::NotLeader(Some(PeerId::random())),
            Answer::Failed("no".to_owned()),
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        for request in requests() {
            let bytes = request.encode();
            let read = Request::decode(&bytes).unwrap();
            assert_eq!(format!("{read:?}"), format!("{request:?}"));
            assert_eq!(read.encode(), bytes);
        }
        for answer in answers() {
            let bytes = answer.encode();
            assert_eq!(Answer::decode(&bytes), Some(answer));
            assert_eq!(Answer::decode(&[&bytes[..], &[0]].concat()), None);
            assert_eq!(Answer::decode(&bytes[..bytes.len() - 1]), None);
        }
    }

    /// Bytes that another peer chose are read, or they are not; nothing else happens.
    #[test]
    fn changed_bytes_are_refused_or_are_another_message() {
        let messages: Vec<Vec<u8>> =
            requests().iter().map(Request::encode).chain(answers().iter().map(Answer::encode)).collect();
        for seed in 0..3000 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let mut bytes = messages[random.random_range(0..messages.len())].clone();
            let at = random.random_range(0..bytes.len());
            match random.random_range(0..3) {
                0 => bytes[at] = random.random(),
                1 => bytes.truncate(at),
                _ => bytes.insert(at, random.random()),
            }
            if let Some(request) = Request::decode(&bytes) {
                let again = Request::decode(&request.encode()).unwrap();
                assert_eq!(format!("{again:?}"), format!("{request:?}"), "seed {seed}");
            }
            if let Some(answer) = Answer::decode(&bytes) {
                assert_eq!(Answer::decode(&answer.encode()), Some(answer), "seed {seed}");
            }
        }
    }
}
