//! What no sound member sends is refused with a reason, changes nothing, and takes nobody down.

use super::{
    super::{
        AppliedRow, Chunk, ClusterId, Digest, LogPosition, NodeId, Place, RaftConfig, RaftNode, RaftParts,
        Section,
        codec::{self, StoredMembership, log_id},
        messages::{Answer, Request},
        rows::spool_key,
        runs::RunId,
        snapshot::sum_of,
        trailer::Trailer,
        type_config::{Entry, ProposalBytes, TypeConfig, Vote, alias},
    },
    peer::{add, at, config, pin, proposed, replicated, rows, start_writer},
};
use cluster_core::{
    PeerId, ReplicationFactors, UnixMillis,
    pinset::stored_pin,
    ports::{
        BoxFuture, RaftCalls,
        datastore::{Batch, Datastore, Durability, Tree},
        raft::{RaftCallError, RaftLane},
    },
};
use cluster_datastore::MemoryStore;
use openraft::{
    EntryPayload, Membership,
    raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::time::Instant;

const START: UnixMillis = UnixMillis(1_700_000_000_000);

/// Reaches nobody but the leader, of this run, which takes in whoever holds nothing.
struct OnlyLeader(RunId);

impl RaftCalls for OnlyLeader {
    fn call(
        &self,
        _: PeerId,
        _: RaftLane,
        request: Vec<u8>,
    ) -> BoxFuture<'_, Result<Vec<u8>, RaftCallError>> {
        let request = Trailer::split(&request).and_then(|(request, _)| Request::decode(request));
        let mut welcome = Answer::Welcome { had_vote: false }.encode();
        welcome.extend(self.0.to_bytes());
        Box::pin(async move {
            match request {
                Some(Request::Newcomer) => Ok(welcome),
                _ => Err(RaftCallError::NotSent { cause: "nobody is there".to_owned() }),
            }
        })
    }
}

/// A member, and a peer that says that it leads.
struct Forge {
    store: MemoryStore,
    node: Arc<RaftNode>,
    leader: PeerId,
    other: PeerId,
    local: PeerId,
    cluster: ClusterId,
    run: RunId,
}

impl Forge {
    async fn start() -> Self {
        let store = MemoryStore::new();
        let local = PeerId::random();
        let shared: Arc<dyn Datastore> = Arc::new(store.clone());
        let (pinset, _) = start_writer(&shared, config(local));
        let settings = RaftConfig {
            local,
            replication: ReplicationFactors::EVERYWHERE,
            heartbeat: Duration::from_secs(100),
            election: Duration::from_secs(1000),
            election_max: Duration::from_secs(2000),
            max_append_entries: 64,
            leader_wait: Duration::from_secs(1),
            submit_wait: Duration::from_secs(1),
            barrier_wait: Duration::from_secs(1),
            snapshot_threshold: 1000,
            trailing_logs: 1000,
        };
        let (cluster, run) = (ClusterId::random(), RunId::random());
        let parts = RaftParts { store: shared, pinset, calls: Arc::new(OnlyLeader(run)) };
        let node = RaftNode::start(settings, parts).await.unwrap();
        let (leader, other) = (PeerId::random(), PeerId::random());
        let made = Self { store, node, leader, other, local, cluster, run };
        let first = made.append(None, vec![made.members(at(0)), change(1), change(2)], Some(at(2)));
        let first = Request::Append(first);
        // As a leader does, until it is taken: this member asks first whether it may begin.
        let until = Instant::now() + Duration::from_secs(30);
        let mut asked = 0;
        while let Answer::Failed(cause) = made.tell(&first).await {
            assert!(cause.contains("asks the leader first") && Instant::now() < until, "{cause}");
            asked += 1;
            tokio::task::yield_now().await;
        }
        assert!(asked > 0, "it begins without asking");
        made.node.wait_for(2, Instant::now() + Duration::from_secs(30)).await;
        assert_eq!(made.node.status().applied, Some(2));
        made
    }

    fn membership(&self) -> Membership<NodeId, openraft::impls::EmptyNode> {
        let voters: BTreeSet<NodeId> =
            [self.local, self.leader, self.other].into_iter().map(NodeId::from).collect();
        Membership::new_with_defaults(vec![voters], [])
    }

    fn members(&self, place: LogPosition) -> Entry {
        Entry { log_id: log_id(place), payload: EntryPayload::Membership(self.membership()) }
    }

    fn vote(&self, term: u64, committed: bool, voted_for: PeerId) -> Vote {
        Vote { leader_id: alias::LeaderIdOf::<TypeConfig> { term, voted_for: voted_for.into() }, committed }
    }

    fn append(
        &self,
        prev: Option<LogPosition>,
        entries: Vec<Entry>,
        commit: Option<LogPosition>,
    ) -> AppendEntriesRequest<TypeConfig> {
        AppendEntriesRequest {
            vote: self.vote(2, true, self.leader),
            prev_log_id: prev.map(log_id),
            entries,
            leader_commit: commit.map(log_id),
        }
    }

    async fn tell(&self, request: &Request) -> Answer {
        let mut bytes = request.encode();
        Trailer { cluster: Some(self.cluster), run: self.run, at: UnixMillis(0) }.append(&mut bytes);
        let answer = self.node.answer(self.leader, &bytes).await;
        Answer::decode(RunId::split(&answer).unwrap().0).unwrap()
    }

    async fn refuses(&self, request: Request, why: &str) {
        let log = rows(&self.store, Tree::RaftLog);
        let pins = replicated(&self.store);
        let what = format!("{request:?}");
        match self.tell(&request).await {
            Answer::Failed(cause) => assert!(cause.contains(why), "{what}: {cause}, and not {why}"),
            answer => panic!("{what} is answered with {answer:?}, and not refused because {why}"),
        }
        assert_eq!(rows(&self.store, Tree::RaftLog), log, "{what} changed the log");
        assert_eq!(replicated(&self.store), pins, "{what} changed the pinset");
        self.works().await;
    }

    /// The member still does what a sound leader asks for.
    async fn works(&self) {
        let heartbeat = Request::Append(self.append(Some(at(2)), vec![], Some(at(2))));
        assert_eq!(self.tell(&heartbeat).await, Answer::Append(AppendEntriesResponse::Success));
    }
}

fn change(index: u64) -> Entry {
    changed(at(index))
}

fn changed(place: LogPosition) -> Entry {
    proposed(place, add(u16::try_from(place.index % 1000).unwrap(), "a pin"), START)
}

const fn of_term(term: u64, index: u64) -> LogPosition {
    LogPosition { term, index }
}

#[tokio::test]
async fn entries_that_cannot_be_are_refused() {
    let forge = Forge::start().await;
    let append = |prev: Option<LogPosition>, entries: Vec<Entry>| {
        Request::Append(forge.append(prev, entries, Some(at(2))))
    };
    let follow = "its entries do not follow each other";
    forge.refuses(append(Some(at(2)), vec![change(4)]), follow).await;
    forge.refuses(append(Some(at(2)), vec![change(3), change(5)]), follow).await;
    forge.refuses(append(Some(at(2)), vec![change(3), change(3)]), follow).await;
    forge.refuses(append(None, vec![change(3)]), follow).await;
    let backwards = vec![changed(of_term(2, 3)), changed(of_term(1, 4))];
    forge.refuses(append(Some(at(2)), backwards), "run backwards").await;
    forge.refuses(append(Some(at(2)), vec![changed(of_term(3, 3))]), "of a later term").await;
    forge.refuses(append(Some(of_term(3, 2)), vec![]), "of a later term").await;
    let far = of_term(1, u64::MAX - 1);
    forge.refuses(append(Some(far), vec![changed(of_term(1, u64::MAX))]), "of a later term").await;
    forge.refuses(append(Some(of_term(2, 2)), vec![]), "contradicts what is committed").await;
    forge.refuses(append(Some(of_term(2, 1)), vec![changed(of_term(2, 2))]), "contradicts").await;
    forge.refuses(append(None, vec![changed(of_term(2, 0))]), "contradicts").await;
    let payload = EntryPayload::Normal(ProposalBytes([9, 9, 9].as_slice().into()));
    let junk = Entry { log_id: log_id(at(3)), payload };
    forge.refuses(append(Some(at(2)), vec![junk]), "cannot be carried out").await;
    let nobody = Entry { log_id: log_id(at(3)), payload: EntryPayload::Membership(Membership::default()) };
    forge.refuses(append(Some(at(2)), vec![nobody]), "without a voter").await;
    let ahead = forge.append(Some(at(2)), vec![], Some(of_term(3, 2)));
    forge.refuses(Request::Append(ahead), "commits what is of a later term").await;
    let mut many = forge.append(Some(at(2)), vec![], None);
    many.entries =
        (3..100_100).map(|index| Entry { log_id: log_id(at(index)), payload: EntryPayload::Blank }).collect();
    forge.refuses(Request::Append(many), "cannot be read").await;
    // What follows is taken.
    let next = append(Some(at(2)), vec![change(3), changed(of_term(2, 4))]);
    assert_eq!(forge.tell(&next).await, Answer::Append(AppendEntriesResponse::Success));
    assert_eq!(rows(&forge.store, Tree::RaftLog).len(), 5);
    forge.node.stop().await;
}

#[tokio::test]
async fn votes_that_cannot_be_are_refused() {
    let forge = Forge::start().await;
    for voted_for in [forge.local, forge.other] {
        // Of this peer itself: it would take itself for the leader.
        let mut forged = forge.append(Some(at(2)), vec![], None);
        forged.vote = forge.vote(3, true, voted_for);
        forge.refuses(Request::Append(forged), "speaks for another peer").await;
        let asked = VoteRequest::new(forge.vote(3, false, voted_for), Some(log_id(at(9))));
        forge.refuses(Request::Vote(asked), "speaks for another peer").await;
    }
    let mut forged = forge.append(Some(at(2)), vec![], None);
    forged.vote = forge.vote(3, false, forge.leader);
    forge.refuses(Request::Append(forged), "was not elected").await;
    let mut forged = forge.append(Some(at(2)), vec![], None);
    forged.vote = forge.vote(u64::MAX, true, forge.leader);
    forge.refuses(Request::Append(forged), "out of reach").await;
    let asked = VoteRequest::new(forge.vote(u64::MAX, false, forge.leader), Some(log_id(at(9))));
    forge.refuses(Request::Vote(asked), "out of reach").await;
    // One that was deposed is not accused, but told.
    let mut newer = forge.append(Some(at(2)), vec![changed(of_term(3, 3))], Some(of_term(3, 3)));
    newer.vote = forge.vote(3, true, forge.leader);
    assert_eq!(forge.tell(&Request::Append(newer)).await, Answer::Append(AppendEntriesResponse::Success));
    let deposed = forge.append(Some(of_term(2, 3)), vec![], Some(at(2)));
    let answer = forge.tell(&Request::Append(deposed)).await;
    assert!(matches!(answer, Answer::Append(AppendEntriesResponse::HigherVote(_))), "{answer:?}");
    forge.node.stop().await;
}

/// A snapshot of two pins behind the log of a member.
struct Forged {
    chunks: Vec<Vec<u8>>,
    vote: Vote,
    applied: AppliedRow,
    count: u64,
    digest: [u8; 32],
}

impl Forged {
    fn of(forge: &Forge, chunks: &[Chunk]) -> Self {
        let place = at(50);
        let membership = StoredMembership::new(Some(log_id(at(0))), forge.membership());
        let applied = AppliedRow {
            last: Some(place),
            membership: codec::membership_row(&membership),
            clock: START,
            cluster: Some(forge.cluster),
        };
        let vote = forge.vote(2, true, forge.leader);
        let chunks: Vec<Vec<u8>> = chunks.iter().map(Chunk::encode).collect();
        let mut digest = Digest::default();
        chunks.iter().for_each(|chunk| digest.add(sum_of(chunk)));
        Self { count: chunks.len() as u64, digest: digest.finish(), chunks, vote, applied }
    }

    async fn send(&self, forge: &Forge) {
        for bytes in &self.chunks {
            let answer = forge.tell(&Request::Chunk(bytes.clone())).await;
            assert_eq!(answer, Answer::ChunkTaken);
        }
    }

    fn install(&self) -> Request {
        let Self { vote, applied, count, digest, .. } = self;
        Request::Install { vote: *vote, applied: applied.clone(), chunks: *count, digest: *digest }
    }
}

/// What makes a sound snapshot a forged one.
type Change = fn(&mut Forged, &Forge);

fn chunks() -> Vec<Chunk> {
    let row = |number| {
        let pin = pin(number, "of the snapshot");
        (pin.key().as_bytes().to_vec(), stored_pin::encode(&pin.encode()))
    };
    let middle = pin(20, "").key().as_bytes().to_vec();
    let pins = |after, upto, rows| Chunk { place: Place { section: Section::Pins, after }, upto, rows };
    vec![
        pins(Vec::new(), Some(middle.clone()), vec![row(10), row(20)]),
        pins(middle, None, vec![row(30)]),
        Chunk {
            place: Place { section: Section::Requests, after: Vec::new() },
            upto: None,
            rows: Vec::new(),
        },
    ]
}

#[tokio::test]
async fn a_forged_snapshot_is_refused_and_a_sound_one_is_taken_afterwards() {
    let forge = Forge::start().await;
    let sound = || Forged::of(&forge, &chunks());
    let cases: [(&str, Change); 11] = [
        ("is not whole", |forged, _| forged.digest[7] ^= 1),
        ("is not whole", |forged, _| forged.count += 1),
        ("no place in the log", |forged, _| forged.applied.last = None),
        ("of a later term", |forged, _| forged.applied.last = Some(of_term(3, 50))),
        ("of a later term", |forged, _| forged.applied.last = Some(of_term(1, u64::MAX))),
        ("contradicts", |forged, _| forged.applied.last = Some(of_term(2, 1))),
        ("later place of the log", |forged, _| forged.applied.membership.position = Some(at(51))),
        ("without a voter", |forged, _| forged.applied.membership.members = Vec::new()),
        ("of another cluster", |forged, _| forged.applied.cluster = Some(ClusterId::random())),
        ("was not elected", |forged, _| forged.vote.committed = false),
        ("speaks for another", |forged, forge| forged.vote = forge.vote(2, true, forge.local)),
    ];
    for (why, change) in cases {
        let mut forged = sound();
        change(&mut forged, &forge);
        forged.send(&forge).await;
        let install = forged.install();
        let pins = replicated(&forge.store);
        let answer = forge.tell(&install).await;
        assert!(matches!(&answer, Answer::Failed(cause) if cause.contains(why)), "{why}: {answer:?}");
        assert_eq!(replicated(&forge.store), pins, "{why}");
        forge.works().await;
    }
    let whole = sound();
    whole.send(&forge).await;
    assert_eq!(forge.tell(&whole.install()).await, Answer::Installed(whole.vote));
    assert_eq!(
        rows(&forge.store, Tree::Pins).len(),
        3,
        "the old pins are gone, and those of the snapshot here"
    );
    forge.node.stop().await;
}

#[tokio::test]
async fn parts_that_are_damaged_or_leave_something_out_are_refused() {
    let forge = Forge::start().await;
    let whole = Forged::of(&forge, &chunks());
    // On the way.
    let mut bytes = whole.chunks[0].clone();
    bytes[9] ^= 1;
    forge.refuses(Request::Chunk(bytes), "a part of a snapshot is damaged").await;
    // Parts that end too early, or between which something would stay as it is.
    for short in [&chunks()[..1], &chunks()[..2], &[]] {
        let short = Forged::of(&forge, short);
        short.send(&forge).await;
        let answer = forge.tell(&short.install()).await;
        assert!(
            matches!(&answer, Answer::Failed(cause) if cause.contains("of a snapshot is missing")),
            "{answer:?}"
        );
    }
    let [first, second, requests] = <[Chunk; 3]>::try_from(chunks()).unwrap();
    let later = Place { section: Section::Pins, after: pin(25, "").key().as_bytes().to_vec() };
    for rest in [&requests, &Chunk { place: later, ..second.clone() }] {
        let gap = Forged::of(&forge, &[first.clone(), rest.clone(), requests.clone()]);
        gap.send(&forge).await;
        let answer = forge.tell(&gap.install()).await;
        assert!(matches!(&answer, Answer::Failed(cause) if cause.contains("not whole")), "{answer:?}");
    }
    // One that ends where it begins would never come to an end.
    let turn = Chunk { upto: Some(second.place.after.clone()), rows: Vec::new(), ..second.clone() };
    forge.refuses(Request::Chunk(turn.encode()), "a part of a snapshot cannot be read").await;
    // On this peer's disk, before the installation begins.
    let pins = replicated(&forge.store);
    for row in [Some(vec![1, 2, 3]), Some(second.encode()), None] {
        whole.send(&forge).await;
        let mut batch = Batch::new();
        match row {
            Some(row) => batch.put(Tree::RaftLog, spool_key(&Place::FIRST), row),
            None => batch.delete(Tree::RaftLog, spool_key(&Place::FIRST)),
        }
        forge.store.commit(batch, Durability::Lazy).unwrap();
        let answer = forge.tell(&whole.install()).await;
        assert!(matches!(&answer, Answer::Failed(cause) if cause.contains("of a snapshot")), "{answer:?}");
        assert_eq!(replicated(&forge.store), pins);
        forge.works().await;
    }
    whole.send(&forge).await;
    assert_eq!(forge.tell(&whole.install()).await, Answer::Installed(whole.vote));
    forge.node.stop().await;
}
