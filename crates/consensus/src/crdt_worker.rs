//! The worker of the Merkle-CRDT's machine: it tells the machine what happens and performs what it decides.

use crate::crdt::{CrdtEngine, CrdtInput, CrdtOutput, EngineInput, EngineOutput};
use cluster_core::ports::Datastore;
use cluster_runtime::{Feed, Pinset, WorkerThread, now};
use std::{collections::VecDeque, io, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How long inputs wait for a place in the writer's full queue before they are offered again.
const OFFER_AGAIN: Duration = Duration::from_millis(10);

/// Runs the Merkle-CRDT's machine.
pub struct CrdtWorker {
    engine: CrdtEngine,
    pinset: Pinset<CrdtInput>,
    store: Arc<dyn Datastore>,
    /// For the writer, in order. The machine bounds it: it stages little before it has heard of a commit.
    outbox: VecDeque<CrdtInput>,
    was_failing: bool,
}

impl CrdtWorker {
    /// Starts the worker on a thread of its own, since the machine reads the store. It ends when told to stop, after
    /// everything that waits was handed to the writer to be packed.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(
        engine: CrdtEngine,
        pinset: Pinset<CrdtInput>,
        store: Arc<dyn Datastore>,
        commits: Feed<Vec<CrdtOutput>>,
        stop: CancellationToken,
    ) -> io::Result<WorkerThread> {
        let worker = Self { engine, pinset, store, outbox: VecDeque::new(), was_failing: false };
        WorkerThread::start("crdt", move || worker.run(commits, stop))
    }

    async fn run(mut self, mut commits: Feed<Vec<CrdtOutput>>, stop: CancellationToken) {
        self.tell(EngineInput::Start { random: rand::random() });
        loop {
            let mut wait = self.engine.deadline().since(now());
            if !self.outbox.is_empty() {
                wait = wait.min(OFFER_AGAIN);
            }
            tokio::select! {
                () = stop.cancelled() => break,
                news = commits.next() => {
                    let Some(news) = news else { break };
                    for done in news.items {
                        self.tell(EngineInput::Committed(done));
                    }
                    if news.missed {
                        self.tell(EngineInput::CommitFailed);
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
            if self.engine.deadline() <= now() {
                self.tell(EngineInput::Tick { random: rand::random() });
            }
            self.offer();
        }
        for input in self.outbox.drain(..).chain([CrdtInput::Pack]) {
            self.pinset.backend(input).await;
        }
    }

    /// Tells the machine something and performs what it wants.
    fn tell(&mut self, input: EngineInput) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let result = self.store.snapshot().and_then(|view| self.engine.handle(input, now(), &*view));
            if let Err(error) = &result
                && !self.was_failing
            {
                tracing::error!(target: "crdt", %error, "cannot read the store; trying again");
            }
            self.was_failing = result.is_err();
            for output in result.unwrap_or_default() {
                match output {
                    EngineOutput::Stage(input) => self.outbox.push_back(input),
                    // Without a network nobody has the block, and nobody is there to be told of heads.
                    EngineOutput::Fetch(id) => inputs.push_back(EngineInput::FetchFailed(id)),
                    EngineOutput::Announce(heads) => {
                        tracing::trace!(target: "crdt", heads = heads.len(), "heads to announce");
                    }
                }
            }
        }
    }

    /// Hands over to the writer what its queue has room for.
    fn offer(&mut self) {
        while let Some(input) = self.outbox.pop_front() {
            if let Err(input) = self.pinset.try_backend(input) {
                return self.outbox.push_front(input);
            }
        }
    }
}
