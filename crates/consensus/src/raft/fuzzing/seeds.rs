//! What the fuzzer starts from: bytes that the encoders write.

use super::*;
use crate::raft::{
    ChunkName, ClusterId, LogPosition, NodeId, Place, ProposalBytes, Section,
    codec::{RaftMembership, StoredMembership, log_id},
    type_config::{Entry, Vote},
};
use cluster_core::{
    PeerId, Pin, PinKey, ReplicationFactors, UnixMillis, UnixSeconds,
    pinset::{Ordered, stored_pin},
    ports::consensus::{Etag, Operation, OperationKind, Precondition, RequestId},
};
use openraft::{
    EntryPayload,
    impls::EmptyNode,
    raft::{AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest, VoteRequest, VoteResponse},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

/// Target, name, bytes.
type Seed = (&'static str, &'static str, Vec<u8>);

fn peer(number: u8) -> PeerId {
    PeerId::from_bytes(&[&[0, 36, 8, 1, 0x12, 32][..], &[number; 32]].concat()).unwrap()
}

fn key(number: u8) -> PinKey {
    PinKey::from_bytes(&[1, 0x55, 0, 1, number]).unwrap()
}

fn place(index: u64) -> LogPosition {
    LogPosition { term: 300, index }
}

fn vote() -> Vote {
    openraft::impls::Vote::new_committed(300, peer(1).into())
}

fn members() -> RaftMembership {
    let voters = |numbers: &[u8]| numbers.iter().map(|n| NodeId::from(peer(*n))).collect::<BTreeSet<_>>();
    let nodes: BTreeMap<NodeId, EmptyNode> =
        (1..=4).map(|n| (NodeId::from(peer(n)), EmptyNode::default())).collect();
    RaftMembership::new(vec![voters(&[1, 2]), voters(&[1, 2, 3])], nodes).unwrap()
}

fn applied() -> AppliedRow {
    let membership = membership_row(&StoredMembership::new(Some(log_id(place(7))), members()));
    AppliedRow {
        last: Some(place(900)),
        membership,
        clock: UnixMillis(1_700_000_000_000),
        cluster: Some(ClusterId::from_bytes(&[7; ClusterId::LEN]).unwrap()),
    }
}

fn proposal(kind: OperationKind, precondition: Precondition, candidates: &[u8]) -> Vec<u8> {
    let operation = Operation {
        kind,
        precondition,
        request_id: RequestId::new("request"),
        expires_in: Some(Duration::from_millis(1500)),
        ranked_candidates: candidates.iter().map(|number| peer(*number)).collect(),
    };
    let ordered = Ordered { operation, replication: ReplicationFactors { min: 1, max: 2 } };
    Proposal { ordered, at: UnixMillis(1_700_000_000_000), nonce: 77 }.encode().unwrap()
}

fn proposals() -> Vec<Seed> {
    let mut pin = Pin::new(key(1).cid());
    pin.options.name = "name".to_owned();
    pin.options.metadata.insert("key".to_owned(), "value".to_owned());
    pin.options.expire_at = Some(UnixSeconds(0));
    pin.options.user_allocations = vec![peer(1)];
    let update = OperationKind::PinUpdate { pin: Box::new(pin.clone()), from: key(2).cid() };
    let pin = OperationKind::Pin(Box::new(pin));
    vec![
        ("raft_proposal", "pin", proposal(pin, Precondition::IfAbsent, &[2, 1])),
        ("raft_proposal", "pin-update", proposal(update, Precondition::None, &[])),
        (
            "raft_proposal",
            "unpin",
            proposal(OperationKind::Unpin(key(3)), Precondition::IfMatch(Etag([5; 16])), &[]),
        ),
    ]
}

fn entries() -> Vec<Entry> {
    let pin = proposals().remove(0).2;
    let payloads = [
        EntryPayload::Blank,
        EntryPayload::Normal(ProposalBytes(pin.as_slice().into())),
        EntryPayload::Membership(members()),
    ];
    (8..).zip(payloads).map(|(index, payload)| Entry { log_id: log_id(place(index)), payload }).collect()
}

fn chunk() -> Chunk {
    let rows = [3, 5].map(|n| (key(n).as_bytes().to_vec(), vec![stored_pin::VERSION, n]));
    Chunk {
        place: Place { section: Section::Pins, after: key(2).as_bytes().to_vec() },
        upto: Some(key(9).as_bytes().to_vec()),
        rows: rows.to_vec(),
    }
}

fn requests() -> Vec<Seed> {
    let append = |entries| AppendEntriesRequest {
        vote: vote(),
        prev_log_id: Some(log_id(place(7))),
        entries,
        leader_commit: None,
    };
    let mut asked = VoteRequest::new(vote(), Some(log_id(place(9))));
    asked.leadership_transfer = true;
    let transfer = TransferLeaderRequest::new(vote(), peer(2).into(), Some(log_id(place(9))));
    let install = Request::Install { vote: vote(), applied: applied(), chunks: 3, digest: [7; 32] };
    let Chunk { place: begin, upto, .. } = chunk();
    let offer =
        Request::Offer { last: place(9), parts: vec![ChunkName { place: begin, upto, sum: [7; 16] }] };
    [
        ("heartbeat", Request::Append(append(Vec::new()))),
        ("append", Request::Append(append(entries()))),
        ("vote", Request::Vote(VoteRequest::new(vote(), None))),
        ("pre-vote", Request::PreVote(asked)),
        ("transfer-leader", Request::TransferLeader(transfer)),
        ("offer", offer),
        ("chunk", Request::Chunk(chunk().encode())),
        ("install", install),
        ("propose", Request::Propose(proposals().remove(1).2)),
    ]
    .into_iter()
    .map(|(name, request)| ("raft_request", name, request.encode()))
    .collect()
}

fn answers() -> Vec<Seed> {
    let last = Some(log_id(place(9)));
    [
        ("success", Answer::Append(AppendEntriesResponse::Success)),
        ("partial-success", Answer::Append(AppendEntriesResponse::PartialSuccess(last))),
        ("conflict", Answer::Append(AppendEntriesResponse::Conflict)),
        ("higher-vote", Answer::Append(AppendEntriesResponse::HigherVote(vote()))),
        ("vote", Answer::Vote(VoteResponse::new(vote(), last, true))),
        ("transfer", Answer::Transfer(true)),
        ("chunk-taken", Answer::ChunkTaken),
        ("missing", Answer::Missing(vec![true, false])),
        ("installed", Answer::Installed(vote())),
        ("committed", Answer::Committed),
        ("not-leader", Answer::NotLeader(Some(peer(3)))),
        ("failed", Answer::Failed("why".to_owned())),
    ]
    .into_iter()
    .map(|(name, answer)| ("raft_answer", name, answer.encode()))
    .collect()
}

fn all() -> Vec<Seed> {
    let mut seeds: Vec<Seed> = vec![
        ("raft_chunk", "pins", chunk().encode()),
        ("raft_rows", "applied", applied().encode()),
        ("raft_rows", "position", position_row(place(9))),
        ("raft_rows", "vote", write_vote(&vote())),
        ("raft_rows", "membership", applied().membership.members),
    ];
    for (name, entry) in ["blank", "normal", "members"].into_iter().zip(entries()) {
        seeds.push(("raft_rows", name, write_entry(&entry)));
    }
    seeds.into_iter().chain(requests()).chain(answers()).chain(proposals()).collect()
}

fn file(target: &str, name: &str) -> PathBuf {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/corpus");
    [corpus, target, name].iter().collect()
}

/// Members of two versions read each other, so these bytes may not change: another form needs another version.
#[test]
fn the_encoders_write_what_they_wrote_when_the_seeds_were_made() {
    for (target, name, bytes) in all() {
        assert_eq!(std::fs::read(file(target, name)).unwrap(), bytes, "{target}/{name}");
    }
}

/// Bytes that another peer chose are read, or they are not; nothing else happens.
#[test]
fn damaged_seeds_are_refused_or_are_something_else() {
    let seeds = all();
    for number in 0..5000 {
        let mut random = ChaCha8Rng::seed_from_u64(number);
        let mut bytes = seeds[random.random_range(0..seeds.len())].2.clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..=bytes.len());
            match random.random_range(0..4) {
                0 if at < bytes.len() => bytes[at] = random.random(),
                1 => bytes.truncate(at),
                2 => {
                    let other = &seeds[random.random_range(0..seeds.len())].2;
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[random.random_range(0..=other.len())..]);
                }
                _ => bytes.insert(at, random.random()),
            }
        }
        for target in [request, answer, super::proposal, super::chunk, rows] {
            target(&bytes);
        }
    }
}

#[test]
#[ignore = "writes the seeds into the corpus"]
fn write_the_seeds() {
    for (target, name, bytes) in all() {
        let file = file(target, name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
}
