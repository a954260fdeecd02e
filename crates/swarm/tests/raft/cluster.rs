//! Three members of a Raft cluster, each with a swarm of its own.

use crate::harness::{LIMIT, Peer};
use cluster_consensus::{
    RaftConsensus,
    raft::{RaftBackend, RaftConfig, RaftInput, RaftNode, RaftParts},
};
use cluster_core::{
    PeerId, Pin, PinKey, ReplicationFactors,
    pinset::{TrackerSignal, Writer, WriterConfig, check, mutation::LaneRule},
    ports::{
        Consensus, Datastore,
        consensus::{AppliedOn, Operation, OperationKind, SubmitError},
        datastore::{Cursor, Row, Tree},
    },
};
use cluster_datastore::MemoryStore;
use cluster_runtime::{Effects, Pinset, WorkerThread, start_pinset};
use futures_util::{StreamExt, future::join_all, stream};
use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

struct NoEffects;

impl Effects<Infallible> for NoEffects {
    fn committed(&self, _: Vec<Infallible>) {}
    fn tracked(&self, _: Vec<TrackerSignal>) {}
    fn recovered(&self) {}
}

struct Member {
    peer: Peer,
    store: MemoryStore,
    node: Arc<RaftNode>,
    pinset: Pinset<RaftInput>,
    writer: WorkerThread,
}

impl Member {
    async fn start(peer: Peer) -> Self {
        let store = MemoryStore::new();
        let shared: Arc<dyn Datastore> = Arc::new(store.clone());
        let replication = ReplicationFactors::EVERYWHERE;
        let config = WriterConfig {
            local: peer.id,
            replication,
            lanes: LaneRule { max_age: Duration::from_secs(86_400), max_retries: 5 },
            applied_on: AppliedOn::Quorum,
        };
        let writer = Writer::open(shared.clone(), RaftBackend::default(), config).unwrap();
        let (pinset, writer) = start_pinset(writer, Arc::new(NoEffects)).unwrap();
        let config = RaftConfig {
            local: peer.id,
            replication,
            heartbeat: Duration::from_millis(200),
            election: Duration::from_millis(2000),
            election_max: Duration::from_millis(2000) * 2,
            max_append_entries: 1024,
            leader_wait: LIMIT,
            submit_wait: Duration::from_secs(10),
            barrier_wait: LIMIT,
            snapshot_threshold: 1000,
            trailing_logs: 250,
        };
        let parts = RaftParts { store: shared, pinset: pinset.clone(), calls: peer.swarm.raft_calls() };
        let node = RaftNode::start(config, parts).await.unwrap();
        peer.swarm.serve_raft(node.clone());
        Self { peer, store, node, pinset, writer }
    }

    /// Pins `count` CIDs of this member's own, many at the same time; returns what went wrong.
    async fn submit(&self, from: u32, count: u32) -> Vec<SubmitError> {
        let consensus = RaftConsensus::new(self.node.clone());
        let mark = self.peer.id.to_bytes().pop().unwrap();
        stream::iter(from..from + count)
            .map(|number| {
                let bytes = [&[1, 0x55, 0, 5, mark][..], &number.to_be_bytes()].concat();
                let pin = Pin::new(PinKey::from_bytes(&bytes).unwrap().cid());
                consensus.submit(Operation::new(OperationKind::Pin(Box::new(pin))))
            })
            .buffer_unordered(100)
            .filter_map(|outcome| std::future::ready(outcome.err()))
            .collect()
            .await
    }

    /// The same, again until all are there: while leaders change, the outcome of some may be unknown.
    async fn pin(&self, from: u32, count: u32) {
        until("all are pinned", || async { self.submit(from, count).await.is_empty().then_some(()) }).await;
    }

    fn pins(&self) -> Vec<Row> {
        let (mut rows, mut cursor) = (Vec::new(), Cursor::all(Tree::Pins));
        while !cursor.is_done() {
            rows.extend(cursor.next_page(&self.store, 1024).unwrap());
        }
        rows
    }

    /// Closes the connection to another member and lets none come about.
    fn cut_off(&self, other: &Self) {
        self.peer.swarm.network().forget(other.peer.id);
    }

    async fn connect_again(&self, other: &Self) {
        let network = self.peer.swarm.network();
        network.allow(other.peer.id);
        // The swarm takes note of it by and by.
        until("connected", || async {
            network.connect(other.peer.id, vec![other.peer.address()]).await.ok()
        })
        .await;
    }

    async fn stop(self) {
        self.node.stop().await;
        self.peer.swarm.stop().await;
        drop((self.node, self.pinset));
        let writer = self.writer;
        let join = move || writer.join();
        assert!(tokio::task::spawn_blocking(join).await.unwrap());
        let report = check::check(&self.store, &self.peer.id).unwrap();
        assert_eq!(report.total_mismatches(), 0, "{report}");
    }
}

/// Waits until something is there.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(2 * LIMIT, looking).await.unwrap_or_else(|_| panic!("never: {what}"))
}

/// Waits until these agree on a leader among them, and returns its place.
async fn leader(members: &[&Member]) -> usize {
    until("a leader", || async {
        let mut leaders: Vec<Option<PeerId>> = members.iter().map(|member| member.node.leader()).collect();
        leaders.dedup();
        let [Some(leader)] = leaders.as_slice() else { return None };
        members.iter().position(|member| member.peer.id == *leader)
    })
    .await
}

async fn agree(members: &[Member], count: usize) {
    until("members that agree", || async {
        let all: Vec<Vec<Row>> = members.iter().map(Member::pins).collect();
        (all[0].len() == count && all.windows(2).all(|pair| pair[0] == pair[1])).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_members_elect_commit_lose_connections_and_go_on() {
    let mut peers = Vec::new();
    for _ in 0..3 {
        peers.push(Peer::start().await);
    }
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        peers[one].meet(&peers[other]).await;
    }
    let ids: Vec<PeerId> = peers.iter().map(|peer| peer.id).collect();
    let mut members = Vec::new();
    for peer in peers {
        members.push(Member::start(peer).await);
    }
    for member in &members {
        member.node.initialize(&ids).await.unwrap();
    }
    let first = leader(&members.iter().collect::<Vec<_>>()).await;

    let began = std::time::Instant::now();
    let failed = join_all(members.iter().map(|member| member.submit(0, 1000))).await;
    assert!(failed.iter().all(Vec::is_empty), "{failed:?}");
    println!("3000 proposals through three members in {:?}", began.elapsed());
    agree(&members, 3000).await;

    // One follower loses the leader, not the other follower: the rest goes on.
    let (lost, other) = ((first + 1) % 3, (first + 2) % 3);
    members[first].cut_off(&members[lost]);
    tokio::join!(members[first].pin(1000, 100), members[other].pin(1000, 100));
    members[first].connect_again(&members[lost]).await;
    members[lost].pin(1000, 100).await;
    agree(&members, 3300).await;

    // Whoever leads now loses both: the others elect another.
    let old = leader(&members.iter().collect::<Vec<_>>()).await;
    let others = [(old + 1) % 3, (old + 2) % 3];
    for other in others {
        members[old].cut_off(&members[other]);
    }
    until("another leader", || async {
        let new = members[others[0]].node.leader()?;
        (new != members[old].peer.id && members[others[1]].node.leader() == Some(new)).then_some(())
    })
    .await;
    for other in others {
        members[other].pin(2000, 100).await;
    }
    for other in others {
        members[old].connect_again(&members[other]).await;
    }
    leader(&members.iter().collect::<Vec<_>>()).await;
    for member in &members {
        member.pin(3000, 100).await;
    }
    agree(&members, 3800).await;
    for member in members {
        member.stop().await;
    }
}
