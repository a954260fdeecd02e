use super::*;
use crate::raft::{MembershipRow, Place, ProposalBytes, Section, type_config::Entry};
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
        cluster: None,
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
        Request::TransferLeader(TransferLeaderRequest::new(vote(1), PeerId::random().into(), Some(id(1)))),
        Request::Offer {
            last: LogPosition { term: 2, index: 700 },
            parts: vec![
                ChunkName { place: Place::FIRST, upto: Some(vec![1, 2]), sum: [3; 16] },
                ChunkName {
                    place: Place { section: Section::Requests, after: vec![4] },
                    upto: None,
                    sum: [5; 16],
                },
            ],
        },
        Request::Chunk(vec![1, 2]),
        Request::Install { vote: vote(2), applied, chunks: 3, digest: [7; 32] },
        Request::Propose(vec![9]),
        Request::ReadIndex,
        Request::Change(MemberChange::Promote(PeerId::random())),
        Request::Lag(PeerId::random()),
        Request::HandOver(PeerId::random()),
        Request::Removed(LogPosition { term: 2, index: 700 }),
        Request::Greet,
        Request::Newcomer,
        Request::Twins(RunId::random(), RunId::random()),
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
        Answer::Missing(vec![true, false, true]),
        Answer::Installed(vote(7)),
        Answer::Committed,
        Answer::NotLeader(None),
        Answer::NotLeader(Some(PeerId::random())),
        Answer::Failed("no".to_owned()),
        Answer::ReadIndex(900),
        Answer::Changed(3),
        Answer::Lag { is_voter: true, lag: None },
        Answer::Lag { is_voter: false, lag: Some(0) },
        Answer::Refused(ChangeRefused::LastVoter(PeerId::random())),
        Answer::Done,
        Answer::Welcome { had_vote: true },
        Answer::Welcome { had_vote: false },
        Answer::Twins(RunId::random(), RunId::random()),
        Answer::Stranger { asks: ClusterId::random(), asked: ClusterId::random().recovered() },
        Answer::Greeting(None),
        Answer::Greeting(Some(ClusterId::random())),
        Answer::NotMember(None),
        Answer::NotMember(Some(LogPosition { term: 2, index: 7 })),
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
