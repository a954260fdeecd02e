//! A network in memory, with faults on demand.

use cluster_consensus::raft::RaftNode;
use cluster_core::{
    PeerId,
    ports::{
        BoxFuture, RaftCalls,
        raft::{RaftCallError, RaftLane},
    },
};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::Poll,
};
use tokio::sync::Semaphore;

/// What happens to the next call of a peer that is longer than a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextCall {
    /// It is lost on the way.
    Lost,
    /// It arrives, and then the caller is cut off.
    Last,
}

#[derive(Default)]
struct Shared {
    nodes: HashMap<PeerId, Weak<RaftNode>>,
    cut_off: HashSet<PeerId>,
    next: HashMap<PeerId, NextCall>,
    read_indexes: u64,
    held: HashMap<PeerId, Held>,
    /// Where the parts of snapshots begin that came to each peer, in the order of their coming.
    parts: HashMap<PeerId, Vec<Vec<u8>>>,
    /// How many of them may come to a peer before it is cut off.
    parts_left: HashMap<PeerId, usize>,
}

/// Answers about reads that are on their way to a peer, until they are let go.
#[derive(Clone)]
pub(crate) struct Held {
    answered: Arc<Semaphore>,
    go: Arc<Semaphore>,
}

impl Held {
    /// Waits until the first one was given.
    pub(crate) async fn answered(&self) {
        self.answered.acquire().await.unwrap().forget();
    }

    pub(crate) fn release(&self) {
        self.go.add_permits(Semaphore::MAX_PERMITS / 2);
    }
}

/// All members' lines.
#[derive(Clone, Default)]
pub(crate) struct Wires(Arc<Mutex<Shared>>);

impl Wires {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn connect(&self, peer: PeerId, node: &Arc<RaftNode>) {
        self.lock().nodes.insert(peer, Arc::downgrade(node));
    }

    pub(crate) fn cut_off(&self, peer: PeerId) {
        self.lock().cut_off.insert(peer);
    }

    pub(crate) fn reconnect(&self, peer: PeerId) {
        self.lock().cut_off.remove(&peer);
    }

    /// Decides about the next proposal that `peer` sends to its leader.
    pub(crate) fn on_next_proposal(&self, peer: PeerId, next: NextCall) {
        self.lock().next.insert(peer, next);
    }

    /// Lets so many parts of a snapshot through to a peer, and then nothing more.
    pub(crate) fn cut_off_after_parts(&self, peer: PeerId, parts: usize) {
        self.lock().parts_left.insert(peer, parts);
    }

    pub(crate) fn is_cut_off(&self, peer: PeerId) -> bool {
        self.lock().cut_off.contains(&peer)
    }

    /// Where the parts of snapshots begin that came to a peer.
    pub(crate) fn parts(&self, peer: PeerId) -> Vec<Vec<u8>> {
        self.lock().parts.get(&peer).cloned().unwrap_or_default()
    }

    fn note_part(&self, peer: PeerId, request: &[u8]) {
        // Behind the versions and the kind: the section, and the key before the first.
        let Some([section, len, rest @ ..]) = request.get(3..) else { return };
        let place = [&[*section], rest.get(..usize::from(*len)).unwrap_or_default()].concat();
        let mut shared = self.lock();
        shared.parts.entry(peer).or_default().push(place);
        let left = shared.parts_left.get_mut(&peer);
        let is_last = left.is_some_and(|left| {
            *left = left.saturating_sub(1);
            *left == 0
        });
        if is_last {
            shared.parts_left.remove(&peer);
            shared.cut_off.insert(peer);
        }
    }

    /// How often a leader was asked what a read has to wait for.
    pub(crate) fn read_indexes(&self) -> u64 {
        self.lock().read_indexes
    }

    /// Holds back the answers to such questions of `peer`.
    pub(crate) fn hold_answers(&self, peer: PeerId) -> Held {
        let held = Held { answered: Arc::new(Semaphore::new(0)), go: Arc::new(Semaphore::new(0)) };
        self.lock().held.insert(peer, held.clone());
        held
    }

    pub(crate) fn of(&self, local: PeerId) -> Arc<dyn RaftCalls> {
        Arc::new(Wire { wires: self.clone(), local })
    }

    fn is_cut(&self, one: PeerId, other: PeerId) -> bool {
        let shared = self.lock();
        shared.cut_off.contains(&one) || shared.cut_off.contains(&other)
    }
}

struct Wire {
    wires: Wires,
    local: PeerId,
}

/// The second byte of a request says what it is.
const PROPOSE: u8 = 7;
const READ_INDEX: u8 = 8;
const CHUNK: u8 = 5;

impl RaftCalls for Wire {
    fn call(
        &self,
        peer: PeerId,
        _: RaftLane,
        request: Vec<u8>,
    ) -> BoxFuture<'_, Result<Vec<u8>, RaftCallError>> {
        Box::pin(async move {
            let lost = |cause: &str| RaftCallError::NotAnswered { cause: cause.to_owned() };
            let unreachable = |cause: &str| RaftCallError::NotSent { cause: cause.to_owned() };
            if self.wires.is_cut(self.local, peer) {
                return Err(unreachable("the line is cut"));
            }
            let is_proposal = request.get(1) == Some(&PROPOSE);
            let next = is_proposal.then(|| self.wires.lock().next.remove(&self.local)).flatten();
            if next == Some(NextCall::Lost) {
                return Err(lost("the request was lost"));
            }
            let node = self.wires.lock().nodes.get(&peer).and_then(Weak::upgrade);
            let Some(node) = node else { return Err(unreachable("nobody is there")) };
            let from = self.local;
            let is_part = request.get(1) == Some(&CHUNK);
            let part = if is_part { request.clone() } else { Vec::new() };
            if next == Some(NextCall::Last) {
                self.wires.cut_off(from);
            }
            let is_read = request.get(1) == Some(&READ_INDEX);
            self.wires.lock().read_indexes += u64::from(is_read);
            let held = is_read.then(|| self.wires.lock().held.get(&self.local).cloned()).flatten();
            let mut work = Box::pin(async move { node.answer(from, &request).await });
            let answer = match futures_util::poll!(work.as_mut()) {
                Poll::Ready(answer) => answer,
                Poll::Pending => tokio::spawn(work).await.map_err(|_| lost("the peer is gone"))?,
            };
            if is_part {
                self.wires.note_part(peer, &part);
            }
            if let Some(held) = held {
                held.answered.add_permits(1);
                held.go.acquire().await.map_err(|_| lost("nobody lets it go"))?.forget();
            }
            if self.wires.is_cut(self.local, peer) {
                return Err(lost("the line was cut"));
            }
            Ok(answer)
        })
    }
}
