//! The exchange of blocks with all connected peers.

use super::{
    answer_writer::write_answers,
    counters::{BitswapCounters, Counters},
    fetches::{Fetches, Started},
    inbound::read_stream,
    ledger::{Ledger, LedgerInput, LedgerOutput},
    message::Ask,
    read_ahead::ReadAhead,
    session::Session,
    want_list::WantInput,
    want_writer::write_wants,
};
use crate::open_streams::{BoxedStream, OpenStreams};
use cid::Cid;
use cluster_core::{
    PeerId,
    ports::{
        BlockSource, Blocks, BoxFuture,
        swarm::{FetchError, PeerEvent},
    },
};
use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// Threads that read the store for answers at once; further peers wait for their turn.
const MAX_READS: usize = 8;

/// Bytes of long inbound messages in memory, all peers together; a further message waits for room, within its
/// deadline.
const MAX_INBOUND_BYTES: usize = 64 * 1024 * 1024;

/// How long the timer sleeps when nothing is due.
const LONG: Duration = Duration::from_secs(3600);

/// Fetches blocks from other peers and serves blocks to them (wire-protocol §4.16); a handle, cheap to clone.
///
/// Only blocks of the DAG (CIDv1, dag-pb, sha2-256; §4.4) can be fetched: others are not taken from anybody.
#[derive(Clone)]
pub struct Bitswap {
    shared: Arc<Shared>,
}

/// What all tasks share. No lock is held while another is taken, or across an await.
pub(super) struct Shared {
    pub(super) opener: Arc<dyn OpenStreams>,
    pub(super) source: Arc<dyn BlockSource>,
    pub(super) counters: Counters,
    pub(super) reads: Semaphore,
    pub(super) inbound_bytes: Arc<Semaphore>,
    fetches: Mutex<Fetches>,
    ledger: Mutex<Ledger>,
    sessions: Mutex<HashMap<PeerId, Arc<Session>>>,
    timer: Notify,
    stop: CancellationToken,
}

impl Bitswap {
    /// Starts the exchange within the tokio runtime that this is called in; it ends when `stop` is cancelled.
    pub fn new(opener: Arc<dyn OpenStreams>, source: Arc<dyn BlockSource>, stop: CancellationToken) -> Self {
        let shared = Arc::new(Shared {
            opener,
            source,
            counters: Counters::default(),
            reads: Semaphore::new(MAX_READS),
            inbound_bytes: Arc::new(Semaphore::new(MAX_INBOUND_BYTES)),
            fetches: Mutex::default(),
            ledger: Mutex::default(),
            sessions: Mutex::default(),
            timer: Notify::new(),
            stop,
        });
        tokio::spawn(run_timer(Arc::clone(&shared)));
        Self { shared }
    }

    /// Takes note of what happened to connections. A peer is asked and answered from `Connected` to
    /// `Disconnected`; its streams come in between.
    pub fn on_peer(&self, event: &PeerEvent) {
        match *event {
            PeerEvent::Connected(peer) => self.on_connected(peer),
            PeerEvent::Identified { peer, ours: true } => {
                if let Some(session) = self.shared.session(&peer) {
                    session.set_ours();
                    self.shared.ledger(LedgerInput::Ours(peer));
                }
            }
            PeerEvent::Disconnected(peer) => self.shared.end_session(peer),
            PeerEvent::Identified { ours: false, .. } | PeerEvent::ListensToMetrics(_) => {}
        }
    }

    /// Reads an inbound stream, in a task of its own; one of a peer that is not connected or has too many open is
    /// dropped and counted.
    pub fn on_stream(&self, peer: PeerId, stream: BoxedStream) {
        let session = self.shared.session(&peer);
        let admitted = session.and_then(|session| {
            let permit = Arc::clone(&session.streams).try_acquire_owned().ok()?;
            Some((session, permit))
        });
        let Some((session, permit)) = admitted else {
            self.shared.counters.streams_refused.add(1);
            return;
        };
        spawn_for(&session, read_stream(Arc::clone(&self.shared), Arc::clone(&session), stream, permit));
    }

    /// Returns what happened so far.
    pub fn counters(&self) -> BitswapCounters {
        self.shared.counters.read()
    }

    /// Counts the bytes of blocks kept for later.
    #[cfg(test)]
    pub(super) fn cached_bytes(&self) -> usize {
        self.shared.lock_fetches().cached_bytes()
    }

    /// Says whether nothing is known of a peer's want.
    #[cfg(test)]
    pub(super) fn is_forgotten(&self, peer: &PeerId, cid: &Cid) -> bool {
        self.shared.lock_ledger().is_forgotten(peer, cid)
    }

    fn on_connected(&self, peer: PeerId) {
        let shared = &self.shared;
        // A second event for a connected peer would be a mistake of the caller; the newer one counts.
        shared.end_session(peer);
        let session = Arc::new(Session::new(peer, shared.stop.child_token()));
        shared.lock_sessions().insert(peer, Arc::clone(&session));
        shared.ledger(LedgerInput::Connected(peer));
        spawn_for(&session, write_wants(Arc::clone(shared), Arc::clone(&session)));
        spawn_for(&session, write_answers(Arc::clone(shared), Arc::clone(&session)));
        shared.note_of_wants(&session, WantInput::Connected(peer));
    }

    async fn fetch(&self, cid: Cid, first: Option<PeerId>, limit: Duration) -> Result<Vec<u8>, FetchError> {
        let shared = &self.shared;
        let mut ready = Vec::new();
        let started = shared.lock_fetches().start(cid, first, now(), &mut ready)?;
        let (number, block) = match started {
            Started::Kept(data) => {
                shared.counters.blocks_kept_used.add(1);
                return Ok(data);
            }
            Started::Waiting(number, block) => (number, block),
        };
        let _waiting = Waiting { shared, cid, number };
        shared.after_wants(ready);
        match timeout(limit, block).await {
            Ok(Ok(data)) => Ok(data),
            Ok(Err(_)) => Err(FetchError::Stopping),
            Err(_) => Err(FetchError::NotServed { after: limit }),
        }
    }
}

impl Blocks for Bitswap {
    fn fetch(
        &self,
        cid: Cid,
        first: Option<PeerId>,
        limit: Duration,
    ) -> BoxFuture<'_, Result<Vec<u8>, FetchError>> {
        Box::pin(self.fetch(cid, first, limit))
    }

    fn announce(&self, cid: Cid) {
        self.shared.ledger(LedgerInput::Announced(cid));
    }

    fn offer(&self, cid: Cid) {
        self.shared.ledger(LedgerInput::Offered(cid));
    }
}

/// A fetch that waits; takes its want back when dropped.
struct Waiting<'a> {
    shared: &'a Shared,
    cid: Cid,
    number: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let ready = self.shared.lock_fetches().end(&self.cid, self.number, now());
        self.shared.wake(&ready, |session| &session.wants_ready);
    }
}

impl Shared {
    /// Tells the list of wants something that a task of a session learned; nothing once the session has ended.
    pub(super) fn note_of_wants(&self, session: &Session, input: WantInput) {
        let ready = {
            let mut fetches = self.lock_fetches();
            if session.gone.is_cancelled() {
                return;
            }
            fetches.list.handle(input, now())
        };
        self.after_wants(ready);
    }

    /// Says whether a peer has to be told something about wants.
    pub(super) fn has_news(&self, session: &Session) -> bool {
        self.lock_fetches().list.has_news(&session.peer)
    }

    /// Takes out what a peer has to be told about wants; nothing once the session has ended, since the next
    /// session of the peer tells it.
    pub(super) fn take_news(&self, session: &Session, most: usize) -> Vec<(Cid, Ask)> {
        let mut fetches = self.lock_fetches();
        if session.gone.is_cancelled() { Vec::new() } else { fetches.list.take(&session.peer, most) }
    }

    /// Takes verified blocks that a peer sent.
    pub(super) fn on_blocks(&self, session: &Session, blocks: Vec<(Cid, Vec<u8>)>) {
        let taken = self.lock_fetches().take_blocks(session.peer, session.is_ours(), blocks, now());
        self.counters.blocks_received.add(taken.wanted());
        self.counters.blocks_kept.add(taken.kept);
        self.counters.blocks_unwanted.add(taken.unwanted);
        self.wake(&taken.ready, |session| &session.wants_ready);
        taken.deliver();
    }

    /// Does something with the ledger for a task of a session; nothing once the session has ended, since the
    /// account is then that of the next one.
    pub(super) fn ledger_of<R: Default>(&self, session: &Session, act: impl FnOnce(&mut Ledger) -> R) -> R {
        let mut ledger = self.lock_ledger();
        if session.gone.is_cancelled() { R::default() } else { act(&mut ledger) }
    }

    /// Tells the ledger something that a task of a session learned.
    pub(super) fn note_of_ledger(&self, session: &Session, input: LedgerInput<'_>) {
        self.after_ledger(self.ledger_of(session, |ledger| ledger.handle(input)));
    }

    /// Looks at what was sent ahead to a peer; the default when it is not one of this suite.
    pub(super) fn read_ahead<R: Default>(
        &self,
        session: &Session,
        act: impl FnOnce(&mut ReadAhead) -> R,
    ) -> R {
        self.ledger_of(session, |ledger| ledger.read_ahead(&session.peer).map(act).unwrap_or_default())
    }

    fn ledger(&self, input: LedgerInput<'_>) {
        let output = self.lock_ledger().handle(input);
        self.after_ledger(output);
    }

    fn after_ledger(&self, output: LedgerOutput) {
        self.counters.wants_dropped.add(output.dropped);
        self.wake(&output.ready, |session| &session.answers_ready);
    }

    fn lock_ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_fetches(&self) -> MutexGuard<'_, Fetches> {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_sessions(&self) -> MutexGuard<'_, HashMap<PeerId, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session(&self, peer: &PeerId) -> Option<Arc<Session>> {
        self.lock_sessions().get(peer).cloned()
    }

    fn end_session(&self, peer: PeerId) {
        let Some(session) = self.lock_sessions().remove(&peer) else { return };
        // Cancelled before the machines forget the peer: what a late task of the session would tell or take
        // afterwards belongs to the next session.
        session.gone.cancel();
        self.ledger(LedgerInput::Disconnected(peer));
        let ready = self.lock_fetches().list.handle(WantInput::Disconnected(peer), now());
        self.after_wants(ready);
    }

    /// Wakes the writers, and the timer when something is due before it wakes up by itself.
    fn after_wants(&self, ready: Vec<PeerId>) {
        let is_earlier = {
            let fetches = self.lock_fetches();
            match (fetches.list.next_alarm(), fetches.armed) {
                (Some(next), Some(armed)) => next < armed,
                (next, None) => next.is_some(),
                (None, Some(_)) => false,
            }
        };
        if is_earlier {
            self.timer.notify_one();
        }
        self.wake(&ready, |session| &session.wants_ready);
    }

    fn wake(&self, peers: &[PeerId], which: impl Fn(&Session) -> &Notify) {
        if peers.is_empty() {
            return;
        }
        let sessions = self.lock_sessions();
        for peer in peers {
            if let Some(session) = sessions.get(peer) {
                which(session).notify_one();
            }
        }
    }
}

/// Returns the time of the runtime, which tests may stop.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// Runs a task until its session ends.
fn spawn_for(session: &Session, task: impl Future<Output = ()> + Send + 'static) {
    let gone = session.gone.clone();
    tokio::spawn(async move { gone.run_until_cancelled_owned(task).await });
}

/// Tells the list of wants the time whenever something is due.
async fn run_timer(shared: Arc<Shared>) {
    loop {
        let now = now();
        let (ready, next) = {
            let mut fetches = shared.lock_fetches();
            let ready = fetches.list.handle(WantInput::Tick, now);
            let next = fetches.list.next_alarm().unwrap_or(now + LONG);
            fetches.armed = Some(next);
            (ready, next)
        };
        shared.wake(&ready, |session| &session.wants_ready);
        tokio::select! {
            () = sleep_until(next.into()) => {}
            () = shared.timer.notified() => {}
            () = shared.stop.cancelled() => break,
        }
    }
    shared.lock_fetches().stop();
}
