//! The worker of the Merkle-CRDT's machine: it tells the machine what happens and performs what it decides.

mod exchanges;

use crate::{
    crdt::{
        BlockId, Broadcast, CrdtEngine, CrdtInput, CrdtOutput, EngineInput, EngineOutput, WalkProgress,
        read_progress,
    },
    crdt_inbox::{CrdtMessage, CrdtMessages, heads_payload, of_cluster, to_cluster},
};
use cluster_core::{
    PeerId,
    ports::{Blocks, BoxFuture, Broadcast as Gossip, Datastore, Rpc},
};
use cluster_runtime::{Feed, Pinset, WorkerThread, steady_now};
use exchanges::Exchanges;
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// How long inputs wait for a place in the writer's full queue before they are offered again.
const OFFER_AGAIN: Duration = Duration::from_millis(10);

/// How long after the broadcast of heads they are told to peers of this suite once more.
const ROUND: Duration = Duration::from_secs(1);

/// How often the progress of walks is told.
const PROGRESS: Duration = Duration::from_secs(10);

/// What the worker works with.
pub struct CrdtParts {
    /// The writer.
    pub pinset: Pinset<CrdtInput>,
    /// What the machine reads.
    pub store: Arc<dyn Datastore>,
    /// Gets blocks.
    pub blocks: Arc<dyn Blocks>,
    /// Tells heads; `None` for a follower, whose announcements nobody has use for.
    pub gossip: Option<Arc<dyn Gossip>>,
    /// Calls peers of this suite.
    pub rpc: Arc<dyn Rpc>,
    /// This peer.
    pub local: PeerId,
}

/// The end of something asked of other peers; `None` when they did not give it.
enum Done {
    Fetched { id: BlockId, bytes: Option<Vec<u8>> },
    Exchanged { peer: PeerId, heads: Option<Vec<BlockId>> },
}

/// Runs the Merkle-CRDT's machine.
pub struct CrdtWorker {
    engine: CrdtEngine,
    parts: CrdtParts,
    cluster_name: Arc<str>,
    fetch_limit: Duration,
    /// For the writer, in order. The machine bounds it: it stages little before it has heard of a commit.
    outbox: VecDeque<CrdtInput>,
    /// Bounded by what the machine asks for at once, and by the calls of [`Exchanges`].
    jobs: FuturesUnordered<BoxFuture<'static, Done>>,
    exchanges: Exchanges,
    /// When what was announced is told once more.
    round: Option<Instant>,
    was_failing: bool,
    /// Walks were open when progress was told last.
    was_walking: bool,
}

impl CrdtWorker {
    /// Starts the worker on a thread of its own, since the machine reads the store. It ends when told to stop, after
    /// everything that waits was handed to the writer to be packed.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(
        engine: CrdtEngine,
        parts: CrdtParts,
        commits: Feed<Vec<CrdtOutput>>,
        messages: CrdtMessages,
        stop: CancellationToken,
    ) -> io::Result<WorkerThread> {
        let worker = Self {
            fetch_limit: engine.fetch_timeout(),
            engine,
            parts,
            cluster_name: messages.cluster_name.clone(),
            outbox: VecDeque::new(),
            jobs: FuturesUnordered::new(),
            exchanges: Exchanges::default(),
            round: None,
            was_failing: false,
            was_walking: false,
        };
        WorkerThread::start("crdt", move || worker.run(commits, messages, stop))
    }

    async fn run(
        mut self,
        mut commits: Feed<Vec<CrdtOutput>>,
        mut messages: CrdtMessages,
        stop: CancellationToken,
    ) {
        self.tell(EngineInput::Start { random: rand::random() });
        let mut progress = tokio::time::interval(PROGRESS);
        progress.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut wait = self.engine.deadline().since(steady_now());
            if !self.outbox.is_empty() {
                wait = wait.min(OFFER_AGAIN);
            }
            if let Some(round) = self.round {
                wait = wait.min(round.saturating_duration_since(Instant::now()));
            }
            tokio::select! {
                () = stop.cancelled() => break,
                news = commits.next() => {
                    let Some(news) = news else { break };
                    for done in news.items {
                        self.on_committed(done);
                    }
                    if news.missed {
                        self.tell(EngineInput::CommitFailed);
                    }
                }
                Some(message) = messages.queue.recv() => self.on_message(message),
                Some(done) = self.jobs.next() => self.on_done(done),
                _ = progress.tick() => self.tell_progress(),
                () = tokio::time::sleep(wait) => {}
            }
            if self.engine.deadline() <= steady_now() {
                self.tell(EngineInput::Tick { random: rand::random() });
            }
            if self.round.is_some_and(|round| round <= Instant::now()) {
                self.round = None;
                self.exchanges.begin_round();
                self.exchange();
            }
            self.offer();
            messages.note_dropped_heads(self.engine.dropped_heads());
        }
        for input in self.outbox.drain(..).chain([CrdtInput::Pack]) {
            self.parts.pinset.backend(input).await;
        }
    }

    /// Logs how far the open walks are, and their end.
    fn tell_progress(&mut self) {
        let read = self.parts.store.snapshot().and_then(|view| read_progress(&*view));
        // When the store cannot be read, others say so.
        let Ok(WalkProgress { walks, merged, missing, .. }) = read else { return };
        if walks > 0 {
            tracing::info!(target: "crdt", walks, merged, missing, "walking the DAG; below what is missing there may be more");
        } else if self.was_walking {
            tracing::info!(target: "crdt", merged, "every block below the heads is here");
        }
        self.was_walking = walks > 0;
    }

    fn on_committed(&mut self, done: Vec<CrdtOutput>) {
        for output in &done {
            if let CrdtOutput::Announce(id) | CrdtOutput::Taken(id) = output {
                self.parts.blocks.announce(id.cid());
            }
        }
        self.tell(EngineInput::Committed(done));
    }

    fn on_message(&mut self, message: CrdtMessage) {
        match message {
            CrdtMessage::Heads { author, heads } => self.tell(EngineInput::HeadsHeard { author, heads }),
            CrdtMessage::SlowPeers(connected) => self.tell(EngineInput::SlowPeers(connected)),
            CrdtMessage::MetPeer(peer) => {
                self.exchanges.met(peer);
                self.exchange();
            }
            CrdtMessage::LostPeer(peer) => self.exchanges.lost(&peer),
        }
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Fetched { id, bytes: Some(bytes) } => self.tell(EngineInput::BlockReceived { id, bytes }),
            Done::Fetched { id, bytes: None } => self.tell(EngineInput::FetchFailed(id)),
            Done::Exchanged { peer, heads } => {
                self.exchanges.ended(&peer, heads.is_some());
                self.exchange();
                if let Some(heads) = heads {
                    self.tell(EngineInput::HeadsHeard { author: peer, heads });
                }
            }
        }
    }

    /// Tells peers of this suite our heads, and asks for theirs.
    fn exchange(&mut self) {
        while let Some(peer) = self.exchanges.next() {
            // Without a store there is nothing to tell; the peer asks us as well.
            let Ok(heads) = heads_payload(&*self.parts.store) else {
                return self.exchanges.ended(&peer, false);
            };
            let name = self.cluster_name.clone();
            let payload = to_cluster(&name, &heads);
            let (calls, local) = (self.parts.rpc.peer(peer), self.parts.local);
            self.jobs.push(Box::pin(async move {
                let heads = match calls.exchange_heads(local, payload).await {
                    Ok(answer) => of_cluster(&name, &answer)
                        .and_then(|heads| Broadcast::decode(heads).map(|told| told.heads).ok()),
                    Err(error) => {
                        tracing::debug!(target: "crdt", %peer, %error, "heads were not exchanged");
                        None
                    }
                };
                Done::Exchanged { peer, heads }
            }));
        }
    }

    /// Tells the machine something and performs what it wants.
    fn tell(&mut self, input: EngineInput) {
        let result =
            self.parts.store.snapshot().and_then(|view| self.engine.handle(input, steady_now(), &*view));
        if let Err(error) = &result
            && !self.was_failing
        {
            tracing::error!(target: "crdt", %error, "cannot read the store; trying again");
        }
        self.was_failing = result.is_err();
        for output in result.unwrap_or_default() {
            match output {
                EngineOutput::Stage(input) => {
                    if let CrdtInput::Repair { lost, holes } = &input {
                        let (lost, holes) = (lost.len(), holes.len());
                        tracing::warn!(target: "crdt", lost, holes, "blocks are missing below merged ones; fetching them");
                    }
                    if input == CrdtInput::ClearMark {
                        tracing::info!(target: "crdt", "what state crdt marked is done with");
                    }
                    self.outbox.push_back(input);
                }
                EngineOutput::Fetch { id, from } => self.fetch(id, from),
                EngineOutput::Announce(heads) => {
                    if let Some(gossip) = &self.parts.gossip {
                        let alone = if let [head] = heads.as_slice() { Some(head.cid()) } else { None };
                        tracing::trace!(target: "crdt", heads = heads.len(), "announcing heads");
                        gossip.publish_heads(Broadcast { heads }.encode());
                        if let Some(head) = alone {
                            // Saves everybody of this suite a question. It travels faster than what was published.
                            self.parts.blocks.offer(head);
                        }
                        self.exchanges.announced();
                        self.round.get_or_insert_with(|| Instant::now() + ROUND);
                    }
                }
            }
        }
    }

    fn fetch(&mut self, id: BlockId, from: Option<PeerId>) {
        let (blocks, limit) = (self.parts.blocks.clone(), self.fetch_limit);
        self.jobs.push(Box::pin(async move {
            let fetched = blocks.fetch(id.cid(), from, limit).await;
            if let Err(error) = &fetched {
                tracing::debug!(target: "crdt", block = %id, %error, "a block was not served");
            }
            Done::Fetched { id, bytes: fetched.ok() }
        }));
    }

    /// Hands over to the writer what its queue has room for.
    fn offer(&mut self) {
        while let Some(input) = self.outbox.pop_front() {
            if let Err(input) = self.parts.pinset.try_backend(input) {
                return self.outbox.push_front(input);
            }
        }
    }
}
