//! What peers ask each other for, as bytes: one request, one answer.

use super::{
    LogPosition, NodeId,
    cluster_id::ClusterId,
    codec::{self, log_id, position, read_entry, read_vote, write_entry, write_vote},
    member_change::{ChangeRefused, MemberChange},
    rows::AppliedRow,
    runs::RunId,
    snapshot::ChunkName,
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

const VERSION: u8 = 2;

/// Entries of one request at most.
const MAX_ENTRIES: u64 = 100_000;

/// Parts of a snapshot that are offered at once.
pub(super) const MAX_OFFERED: usize = 64;

/// A request.
#[derive(Debug)]
pub(super) enum Request {
    Append(AppendEntriesRequest<TypeConfig>),
    Vote(VoteRequest<TypeConfig>),
    PreVote(VoteRequest<TypeConfig>),
    TransferLeader(TransferLeaderRequest<TypeConfig>),
    /// Say which of these parts of a snapshot of the log up to `last` are missing.
    Offer {
        last: LogPosition,
        parts: Vec<ChunkName>,
    },
    /// A part of a snapshot.
    Chunk(Vec<u8>),
    /// All parts are there.
    Install {
        vote: Vote,
        applied: AppliedRow,
        chunks: u64,
        digest: [u8; 32],
    },
    /// Put a proposal into the log.
    Propose(Vec<u8>),
    /// Say up to where the log has to be carried out for a read that is up to date.
    ReadIndex,
    /// Change the members.
    Change(MemberChange),
    /// Say how much of the log a member lacks.
    Lag(PeerId),
    /// Hand the leadership over to this member.
    HandOver(PeerId),
    /// Whoever is told this is no member any more since this place of the log.
    Removed(LogPosition),
    /// Say which cluster the peer belongs to.
    Greet,
    /// Two processes run with the identity of whoever is told this: these.
    Twins(RunId, RunId),
    /// Whoever asks holds nothing of this cluster, and may have held something: take its vote, if it has one.
    Newcomer,
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
    /// Which of the parts offered are missing.
    Missing(Vec<bool>),
    /// The snapshot was installed, or refused because of this vote.
    Installed(Vote),
    /// The proposal is in the log and committed.
    Committed,
    /// The proposal was not put into any log: this peer does not lead, the one named may.
    NotLeader(Option<PeerId>),
    /// The request was not carried out, or only in part.
    Failed(String),
    /// A read is up to date once the log is carried out up to this index.
    ReadIndex(u64),
    /// The members are as asked for, since this index at the latest.
    Changed(u64),
    /// How a member stands, and how many entries it lacks, if it was heard of.
    Lag {
        is_voter: bool,
        lag: Option<u64>,
    },
    /// The change cannot be made.
    Refused(ChangeRefused),
    /// The request was carried out.
    Done,
    /// Whoever asks is no member; since this place of the log, if that is known.
    NotMember(Option<LogPosition>),
    /// Whoever asks belongs to another cluster than the peer that it asked.
    Stranger {
        asks: ClusterId,
        asked: ClusterId,
    },
    /// The cluster that the peer belongs to.
    Greeting(Option<ClusterId>),
    /// Two processes run with the identity of whoever asks: these. Neither gets an answer.
    Twins(RunId, RunId),
    /// Whoever asks is a member without a vote; whether it had one so far.
    Welcome {
        had_vote: bool,
    },
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

fn take_twins(row: &mut RowReader<'_>) -> Option<(RunId, RunId)> {
    let mut take = || RunId::from_bytes(row.fixed(RunId::LEN)?);
    Some((take()?, take()?))
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
            Self::Vote(_)
            | Self::PreVote(_)
            | Self::ReadIndex
            | Self::Lag(_)
            | Self::Removed(_)
            | Self::Greet
            | Self::Twins(..) => RaftLane::Control,
            Self::Append(_)
            | Self::TransferLeader(_)
            | Self::Propose(_)
            | Self::Change(_)
            | Self::HandOver(_)
            | Self::Newcomer => RaftLane::Log,
            Self::Offer { .. } | Self::Chunk(_) | Self::Install { .. } => RaftLane::Snapshot,
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
            Self::Chunk(bytes) => row.byte(5).raw(bytes),
            Self::Install { vote: by, applied, chunks, digest } => {
                vote(row.byte(6), by).bytes(&applied.encode()).int(*chunks).raw(digest)
            }
            Self::Propose(bytes) => row.byte(7).raw(bytes),
            Self::ReadIndex => row.byte(8),
            Self::Change(change) => change.write(row.byte(9)),
            Self::Lag(peer) => row.byte(10).bytes(&peer.to_bytes()),
            Self::HandOver(peer) => row.byte(11).bytes(&peer.to_bytes()),
            Self::Removed(position) => position.write(row.byte(12)),
            Self::Greet => row.byte(13),
            Self::Twins(one, other) => row.byte(14).raw(&one.to_bytes()).raw(&other.to_bytes()),
            Self::Newcomer => row.byte(16),
            Self::Offer { last, parts } => {
                let row = last.write(row.byte(15)).int(parts.len() as u64);
                parts.iter().fold(row, |row, part| part.write(row))
            }
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
            5 => return Some(Self::Chunk(row.rest().to_vec())),
            6 => {
                let vote = take_vote(&mut row)?;
                let applied = AppliedRow::decode(row.bytes()?)?;
                codec::stored_membership(&applied.membership)?;
                let (chunks, digest) = (row.int()?, row.fixed(32)?.try_into().ok()?);
                Self::Install { vote, applied, chunks, digest }
            }
            7 => return Some(Self::Propose(row.rest().to_vec())),
            8 => Self::ReadIndex,
            9 => Self::Change(MemberChange::read(&mut row)?),
            10 => Self::Lag(PeerId::from_bytes(row.bytes()?).ok()?),
            11 => Self::HandOver(PeerId::from_bytes(row.bytes()?).ok()?),
            12 => Self::Removed(LogPosition::read(&mut row)?),
            13 => Self::Greet,
            14 => {
                let (one, other) = take_twins(&mut row)?;
                Self::Twins(one, other)
            }
            16 => Self::Newcomer,
            15 => {
                let last = LogPosition::read(&mut row)?;
                let count = row.int().filter(|count| *count <= MAX_OFFERED as u64)?;
                let parts = (0..count).map(|_| ChunkName::read(&mut row)).collect::<Option<_>>()?;
                Self::Offer { last, parts }
            }
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
            Self::ReadIndex(index) => row.byte(12).int(*index),
            Self::Changed(index) => row.byte(13).int(*index),
            Self::Lag { is_voter, lag } => {
                let row = row.byte(14).byte(u8::from(*is_voter)).byte(u8::from(lag.is_some()));
                row.int(lag.unwrap_or_default())
            }
            Self::Refused(refused) => refused.write(row.byte(15)),
            Self::Done => row.byte(16),
            Self::NotMember(since) => LogPosition::write_optional(*since, row.byte(17)),
            Self::Stranger { asks, asked } => row.byte(18).raw(&asks.to_bytes()).raw(&asked.to_bytes()),
            Self::Greeting(cluster) => ClusterId::write_optional(*cluster, row.byte(19)),
            Self::Twins(one, other) => row.byte(20).raw(&one.to_bytes()).raw(&other.to_bytes()),
            Self::Welcome { had_vote } => row.byte(22).byte(u8::from(*had_vote)),
            Self::Missing(parts) => {
                let row = row.byte(21).int(parts.len() as u64);
                parts.iter().fold(row, |row, is_missing| row.byte(u8::from(*is_missing)))
            }
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
            12 => Self::ReadIndex(row.int()?),
            13 => Self::Changed(row.int()?),
            14 => {
                let (is_voter, is_known) = (flag(&mut row)?, flag(&mut row)?);
                Self::Lag { is_voter, lag: Some(row.int()?).filter(|_| is_known) }
            }
            15 => Self::Refused(ChangeRefused::read(&mut row)?),
            16 => Self::Done,
            17 => Self::NotMember(LogPosition::read_optional(&mut row)?),
            20 => {
                let (one, other) = take_twins(&mut row)?;
                Self::Twins(one, other)
            }
            22 => Self::Welcome { had_vote: flag(&mut row)? },
            21 => {
                let count = row.int().filter(|count| *count <= MAX_OFFERED as u64)?;
                Self::Missing((0..count).map(|_| flag(&mut row)).collect::<Option<_>>()?)
            }
            19 => Self::Greeting(ClusterId::read_optional(&mut row)?),
            18 => Self::Stranger {
                asks: ClusterId::from_bytes(row.fixed(ClusterId::LEN)?)?,
                asked: ClusterId::from_bytes(row.fixed(ClusterId::LEN)?)?,
            },
            _ => return None,
        };
        row.is_empty().then_some(answer)
    }
}

#[cfg(test)]
mod tests;
