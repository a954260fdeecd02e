//! Three members over stores in memory.

use crate::{
    fault::{Fault, Faulty},
    wire::Wires,
};
use cluster_consensus::{
    RaftConsensus,
    raft::{RaftBackend, RaftConfig, RaftInput, RaftNode, RaftParts},
};
use cluster_core::{
    PeerId, Pin, PinKey, ReplicationFactors,
    pinset::{TrackerSignal, Writer, WriterConfig, check, mutation::LaneRule, read},
    ports::{
        Consensus, Datastore,
        consensus::{AppliedOn, Etag, Operation, OperationKind, RaftState},
        datastore::{Cursor, Row, Tree},
    },
};
use cluster_datastore::MemoryStore;
use cluster_runtime::{Effects, Pinset, WorkerThread, start_pinset};
use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

struct NoEffects;

impl Effects<Infallible> for NoEffects {
    fn committed(&self, _: Vec<Infallible>) {}
    fn tracked(&self, _: Vec<TrackerSignal>) {}
    fn recovered(&self) {}
}

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How long a submission waits; the cases with an unknown outcome wait as long.
pub(crate) const SUBMIT_WAIT: Duration = Duration::from_secs(5);

pub(crate) struct Member {
    pub(crate) peer: PeerId,
    pub(crate) store: MemoryStore,
    pub(crate) fault: Fault,
    running: Option<Running>,
}

struct Running {
    node: Arc<RaftNode>,
    pinset: Pinset<RaftInput>,
    writer: WorkerThread,
}

impl Member {
    fn new() -> Self {
        Self { peer: PeerId::random(), store: MemoryStore::new(), fault: Fault::default(), running: None }
    }

    async fn start(&mut self, wires: &Wires, log_kept: u64) {
        let store: Arc<dyn Datastore> =
            Arc::new(Faulty { inner: self.store.clone(), fault: self.fault.clone() });
        let config = WriterConfig {
            local: self.peer,
            replication: ReplicationFactors::EVERYWHERE,
            lanes: LaneRule { max_age: Duration::from_secs(86_400), max_retries: 5 },
            applied_on: AppliedOn::Quorum,
        };
        let writer = Writer::open(store.clone(), RaftBackend::default(), config).unwrap();
        let (pinset, writer) = start_pinset(writer, Arc::new(NoEffects)).unwrap();
        let config = RaftConfig {
            local: self.peer,
            replication: ReplicationFactors::EVERYWHERE,
            heartbeat: Duration::from_millis(100),
            election: Duration::from_millis(500),
            election_max: Duration::from_millis(500) * 2,
            max_append_entries: 1024,
            leader_wait: PATIENCE,
            submit_wait: SUBMIT_WAIT,
            barrier_wait: PATIENCE,
            snapshot_threshold: log_kept,
            trailing_logs: log_kept / 4,
        };
        let parts = RaftParts { store, pinset: pinset.clone(), calls: wires.of(self.peer) };
        let node = RaftNode::start(config, parts).await.unwrap();
        wires.connect(self.peer, &node);
        self.running = Some(Running { node, pinset, writer });
    }

    async fn stop(&mut self) {
        let Some(Running { node, pinset, writer }) = self.running.take() else { return };
        node.stop().await;
        drop((node, pinset));
        assert!(tokio::task::spawn_blocking(|| writer.join()).await.unwrap());
    }

    pub(crate) fn node(&self) -> &Arc<RaftNode> {
        &self.running.as_ref().unwrap().node
    }

    pub(crate) fn consensus(&self) -> Arc<dyn Consensus> {
        Arc::new(RaftConsensus::new(self.node().clone()))
    }

    pub(crate) fn read(&self, key: &PinKey) -> Option<(Pin, Etag)> {
        read::pin(&*self.store.snapshot().unwrap(), key).unwrap()
    }

    fn is_member(&self) -> bool {
        self.running.as_ref().is_none_or(|running| {
            !matches!(*running.node.state().borrow(), RaftState::Waiting | RaftState::Removed)
        })
    }

    fn replicated(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for tree in [Tree::Pins, Tree::Requests] {
            let mut cursor = Cursor::all(tree);
            while !cursor.is_done() {
                rows.extend(cursor.next_page(&self.store, 1024).unwrap());
            }
        }
        rows
    }
}

/// Waits until something is there.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("never: {what}"))
}

pub(crate) struct Cluster {
    pub(crate) members: Vec<Member>,
    pub(crate) wires: Wires,
    log_kept: u64,
}

impl Cluster {
    /// Starts three members; `log_kept` is how long the log grows before a snapshot takes its place.
    pub(crate) async fn start(log_kept: u64) -> Self {
        Self::start_of(3, log_kept).await
    }

    /// Starts so many members.
    pub(crate) async fn start_of(count: usize, log_kept: u64) -> Self {
        let members = (0..count).map(|_| Member::new()).collect();
        let mut cluster = Self { members, wires: Wires::default(), log_kept };
        for number in 0..count {
            cluster.start_member(number).await;
        }
        let peers: Vec<PeerId> = cluster.members.iter().map(|member| member.peer).collect();
        for member in &cluster.members {
            member.node().initialize(&peers).await.unwrap();
        }
        cluster.leader().await;
        cluster
    }

    /// Starts a peer that is no member yet, and returns its number.
    pub(crate) async fn newcomer(&mut self) -> usize {
        self.members.push(Member::new());
        let number = self.members.len() - 1;
        self.start_member(number).await;
        number
    }

    pub(crate) async fn start_member(&mut self, number: usize) {
        self.members[number].start(&self.wires, self.log_kept).await;
    }

    pub(crate) async fn stop_member(&mut self, number: usize) {
        self.members[number].stop().await;
    }

    /// Cuts the power of a member and starts it on what is left.
    pub(crate) async fn power_cut(&mut self, number: usize) {
        let left = self.members[number].store.power_cut();
        self.stop_member(number).await;
        self.members[number].store = left;
        self.start_member(number).await;
    }

    /// Waits until the members that run agree on who leads, and returns which.
    pub(crate) async fn leader(&self) -> usize {
        until("a leader", || async {
            let running = self.members.iter().filter_map(|member| member.running.as_ref());
            // Whoever is no member hears of no leader.
            let members = running.filter(|member| {
                !matches!(*member.node.state().borrow(), RaftState::Waiting | RaftState::Removed)
            });
            let mut leaders: Vec<Option<PeerId>> = members.map(|member| member.node.leader()).collect();
            leaders.dedup();
            let [Some(leader)] = leaders.as_slice() else { return None };
            let number = self.members.iter().position(|member| member.peer == *leader)?;
            self.members[number].running.is_some().then_some(number)
        })
        .await
    }

    /// Waits until a member takes changes.
    pub(crate) async fn working(&self, number: usize) {
        use cluster_core::ports::consensus::SubmitError;
        // The removal of a pin that never was changes nothing; it is refused by the rules once it was carried out.
        let probe = PinKey::from_bytes(&[1, 0x55, 0, 1, 255]).unwrap();
        until("a member that works", || async {
            let probe = Operation::new(OperationKind::Unpin(probe.clone()));
            let answer = self.members[number].consensus().submit(probe).await;
            matches!(answer, Err(SubmitError::Rejected(_))).then_some(())
        })
        .await;
    }

    /// Waits until this member says of itself that it is that.
    pub(crate) async fn becomes(&self, number: usize, state: RaftState) {
        let mut states = self.members[number].node().state();
        let what = states.wait_for(|known| *known == state);
        let found = tokio::time::timeout(PATIENCE, what).await.map(|found| found.map(|_| ()));
        assert!(matches!(found, Ok(Ok(()))), "never {state:?}: {:?}", self.members[number].node().status());
    }

    /// Waits until all members hold the same, and checks what each derives from it.
    pub(crate) async fn agree(&self) {
        until("members that agree", || async {
            let members = self.members.iter().filter(|member| member.is_member());
            let all: Vec<Vec<Row>> = members.map(Member::replicated).collect();
            all.windows(2).all(|pair| pair[0] == pair[1]).then_some(())
        })
        .await;
    }

    pub(crate) async fn stop(&mut self) {
        for member in &mut self.members {
            member.stop().await;
            let report = check::check(&member.store, &member.peer).unwrap();
            assert_eq!(report.total_mismatches(), 0, "{report}");
        }
    }
}
