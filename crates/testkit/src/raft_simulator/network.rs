//! The lines between the peers, as `RaftCalls` promises them: in order, never twice, and unsure of everything else.

use super::world::World;
use cluster_consensus::raft::RaftNode;
use cluster_core::{
    PeerId,
    ports::{
        BoxFuture,
        raft::{RaftCallError, RaftCalls, RaftLane},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

type Answer = Result<Vec<u8>, RaftCallError>;

/// A request that has arrived.
pub(super) struct Arrived {
    from: usize,
    request: Vec<u8>,
    reply: oneshot::Sender<Answer>,
}

/// One way from a peer to another.
type Line = (usize, usize);

#[derive(Default)]
struct Lines {
    /// Ways on which nothing arrives.
    broken: BTreeSet<Line>,
    on_their_way: BTreeMap<(Line, RaftLane), VecDeque<Arrived>>,
    /// When the last request of a lane arrives.
    last: BTreeMap<(Line, RaftLane), Instant>,
    lost: u32,
    slow: u32,
}

pub(super) struct Network(Mutex<Lines>);

impl Network {
    pub(super) fn new(lost: u32, slow: u32) -> Self {
        Self(Mutex::new(Lines { lost, slow, ..Lines::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Breaks some ways.
    pub(super) fn break_lines(&self, lines: impl IntoIterator<Item = Line>) {
        self.lock().broken.extend(lines);
    }

    /// Mends all.
    pub(super) fn mend(&self) {
        self.lock().broken.clear();
    }

    /// Ends all faults.
    pub(super) fn heal(&self) {
        let mut lines = self.lock();
        lines.broken.clear();
        lines.lost = 0;
        lines.slow = 0;
    }

    fn is_broken(&self, line: Line) -> bool {
        self.lock().broken.contains(&line)
    }
}

/// After how many milliseconds a line that brings nothing is given up.
const LINE_DEAD: u64 = 20_000;

fn not_sent() -> RaftCallError {
    RaftCallError::NotSent { cause: "nobody is there".to_owned() }
}

fn not_answered() -> RaftCallError {
    RaftCallError::NotAnswered { cause: "the line broke".to_owned() }
}

/// The calls of one peer.
pub(super) struct Calls {
    world: Arc<World>,
    from: usize,
}

impl Calls {
    pub(super) fn new(world: Arc<World>, from: usize) -> Self {
        Self { world, from }
    }
}

impl RaftCalls for Calls {
    fn call(&self, peer: PeerId, lane: RaftLane, request: Vec<u8>) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            let Some(to) = self.world.number_of(&peer) else { return Err(not_sent()) };
            let world = &self.world;
            match world.send((self.from, to), lane, request) {
                Ok(answer) => {
                    if let Ok(answer) = answer.await {
                        return answer;
                    }
                }
                Err(true) => {
                    let wait = world.millis(0..30);
                    tokio::time::sleep(wait).await;
                    return Err(not_sent());
                }
                Err(false) => {}
            }
            // It was lost, or whoever should answer is gone: some hear of that soon, and some when the line is found to be dead.
            let longest = if world.permille(500) { 2_000 } else { LINE_DEAD };
            let wait = world.millis(0..longest);
            tokio::time::sleep(wait).await;
            Err(not_answered())
        })
    }
}

impl World {
    /// Draws how long a message takes.
    fn way(&self) -> Duration {
        let slow = self.network.lock().slow;
        if self.permille(slow) { self.millis(200..3_000) } else { self.millis(0..self.faults.way + 1) }
    }

    fn is_lost(&self, line: Line) -> bool {
        let (lost, is_broken) = {
            let lines = self.network.lock();
            (lines.lost, lines.broken.contains(&line))
        };
        let is_lost = is_broken || self.permille(lost);
        self.summary().lost_messages += u64::from(is_lost);
        is_lost
    }

    /// Sends a request. One that is lost is an error: true when the sender gets to know that it never left.
    fn send(
        self: &Arc<Self>,
        line: Line,
        lane: RaftLane,
        request: Vec<u8>,
    ) -> Result<oneshot::Receiver<Answer>, bool> {
        let (from, to) = line;
        let kind = request.get(1).copied().unwrap_or_default();
        self.journal.note("call", &[from as u64, to as u64, u64::from(kind), request.len() as u64]);
        if self.peers[to].serving().is_none() {
            return Err(self.permille(700));
        }
        if self.is_lost(line) {
            return Err(self.permille(300));
        }
        let (reply, answer) = oneshot::channel();
        let way = self.way();
        let at = {
            let mut lines = self.network.lock();
            lines.on_their_way.entry((line, lane)).or_default().push_back(Arrived { from, request, reply });
            let earliest = Instant::now() + way;
            let at = lines.last.get(&(line, lane)).map_or(earliest, |last| earliest.max(*last));
            lines.last.insert((line, lane), at);
            at
        };
        let world = self.clone();
        self.spawn(async move {
            tokio::time::sleep_until(at).await;
            world.arrive(line, lane);
        });
        Ok(answer)
    }

    /// The first request of a lane arrives.
    fn arrive(&self, line: Line, lane: RaftLane) {
        let first = self.network.lock().on_their_way.get_mut(&(line, lane)).and_then(VecDeque::pop_front);
        let Some(arrived) = first else { return };
        if self.network.is_broken(line) {
            self.summary().lost_messages += 1;
            return;
        }
        if let Some((_, _, serving)) = self.peers[line.1].serving() {
            self.summary().messages += 1;
            // Who has stopped meanwhile, or stood still for too long, answers nothing.
            let _ = serving.inbox.try_send(arrived);
        }
    }

    fn answer(self: &Arc<Self>, line: Line, answer: Vec<u8>, reply: oneshot::Sender<Answer>) {
        let kind = answer.get(1).copied().unwrap_or_default();
        self.journal.note("answer", &[line.0 as u64, line.1 as u64, u64::from(kind), answer.len() as u64]);
        if self.is_lost(line) {
            return;
        }
        let way = self.way();
        let world = self.clone();
        self.spawn(async move {
            tokio::time::sleep(way).await;
            if !world.network.is_broken(line) {
                // Whoever asked may have gone.
                let _ = reply.send(Ok(answer));
            }
        });
    }
}

/// Hands the requests of others to a peer, each for the first time in the order in which they arrived.
pub(super) async fn accept(
    world: Arc<World>,
    number: usize,
    node: Arc<RaftNode>,
    mut arriving: mpsc::Receiver<Arrived>,
) {
    while let Some(Arrived { from, request, reply }) = arriving.recv().await {
        let (node, asker) = (node.clone(), world.peers[from].id);
        let mut work = Box::pin(async move { node.answer(asker, &request).await });
        let line = (number, from);
        match futures_util::poll!(work.as_mut()) {
            Poll::Ready(answer) => world.answer(line, answer, reply),
            Poll::Pending => {
                let world = world.clone();
                drop(cluster_runtime::spawn(async move {
                    let answer = work.await;
                    world.answer(line, answer, reply);
                }));
            }
        }
    }
}
