//! What other peers tell the Merkle-CRDT: heads, and who comes and goes.

use crate::crdt::{BlockId, Broadcast};
use cluster_core::{
    PeerId,
    ports::{
        BoxFuture, Datastore, HeadsExchange,
        datastore::{StoreError, Tree},
        swarm::Verdict,
    },
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::mpsc;

/// Messages that may wait for the worker. What does not fit is dropped and counted: heads are announced again, and
/// the rest is told again when connections change.
const QUEUE: usize = 1024;

/// Heads told to a peer that asks; more are merged by the next write, and announced meanwhile.
const MAX_HEADS: usize = 1000;

/// A message to the worker.
#[derive(Debug)]
pub(crate) enum CrdtMessage {
    Heads { author: PeerId, heads: Vec<BlockId> },
    MetPeer(PeerId),
    LostPeer(PeerId),
    SlowPeers(bool),
}

/// Hands messages to the worker; cheap to clone, never blocks.
#[derive(Clone)]
pub struct CrdtInbox {
    queue: mpsc::Sender<CrdtMessage>,
    store: Arc<dyn Datastore>,
    trusted: Arc<dyn Fn(&PeerId) -> bool + Send + Sync>,
    cluster_name: Arc<str>,
    counts: Arc<Counts>,
}

/// What was not taken.
#[derive(Debug, Default)]
struct Counts {
    /// Messages that found the queue full.
    messages: AtomicU64,
    /// Broadcasts of heads that cannot be read.
    unreadable: AtomicU64,
    /// Heads that were too many at once, or served by nobody.
    heads: AtomicU64,
}

impl std::fmt::Debug for CrdtInbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CrdtInbox").field("counts", &self.counts).finish_non_exhaustive()
    }
}

/// The worker's end.
#[derive(Debug)]
pub struct CrdtMessages {
    pub(crate) queue: mpsc::Receiver<CrdtMessage>,
    pub(crate) cluster_name: Arc<str>,
    counts: Arc<Counts>,
}

impl CrdtMessages {
    /// Tells the other end how many heads the machine has dropped so far.
    pub(crate) fn note_dropped_heads(&self, count: u64) {
        self.counts.heads.store(count, Ordering::Relaxed);
    }
}

impl CrdtInbox {
    /// Makes both ends. Only heads of peers that `trusted` says yes to are taken, and heads are exchanged only with peers
    /// of the cluster of this name.
    pub fn new(
        store: Arc<dyn Datastore>,
        trusted: Arc<dyn Fn(&PeerId) -> bool + Send + Sync>,
        cluster_name: Arc<str>,
    ) -> (Self, CrdtMessages) {
        let (queue, messages) = mpsc::channel(QUEUE);
        let counts = Arc::<Counts>::default();
        let messages =
            CrdtMessages { queue: messages, cluster_name: cluster_name.clone(), counts: counts.clone() };
        (Self { queue, store, trusted, cluster_name, counts }, messages)
    }

    /// Judges a broadcast of heads by its author and form, and takes note of it (wire-protocol §4.3, §4.14).
    pub fn on_heads(&self, author: PeerId, payload: &[u8]) -> Verdict {
        if !(self.trusted)(&author) {
            return Verdict::Reject;
        }
        let heads = match Broadcast::decode(payload) {
            Ok(Broadcast { heads }) => heads,
            Err(error) => {
                let count = self.counts.unreadable.fetch_add(1, Ordering::Relaxed) + 1;
                // A peer that sends nothing else must not fill the log.
                if count.is_power_of_two() {
                    tracing::warn!(target: "crdt", %author, %error, count, "broadcasts of heads cannot be read");
                }
                return Verdict::Reject;
            }
        };
        if self.tell(CrdtMessage::Heads { author, heads }) { Verdict::Accept } else { Verdict::Ignore }
    }

    /// Makes the worker tell a peer of this suite our heads and ask for its own, now and after announcements, when it is
    /// trusted; one that is not asks us.
    pub fn on_peer_of_ours(&self, peer: PeerId) {
        if (self.trusted)(&peer) {
            self.tell(CrdtMessage::MetPeer(peer));
        }
    }

    /// Notes that a peer is connected no more.
    pub fn on_disconnected(&self, peer: PeerId) {
        self.tell(CrdtMessage::LostPeer(peer));
    }

    /// Says whether peers are connected that take few deltas a second.
    pub fn on_slow_peers(&self, connected: bool) {
        self.tell(CrdtMessage::SlowPeers(connected));
    }

    /// Counts by name what was dropped since the start.
    pub fn drops(&self) -> [(&'static str, u64); 2] {
        [
            ("messages to the CRDT dropped", self.counts.messages.load(Ordering::Relaxed)),
            ("heads dropped", self.counts.heads.load(Ordering::Relaxed)),
        ]
    }

    fn tell(&self, message: CrdtMessage) -> bool {
        let sent = self.queue.try_send(message);
        // A worker that has stopped wants to know nothing.
        if let Err(mpsc::error::TrySendError::Full(_)) = &sent {
            self.counts.messages.fetch_add(1, Ordering::Relaxed);
        }
        sent.is_ok()
    }
}

/// Writes our heads as a payload of wire-protocol §4.3.
pub(crate) fn heads_payload(store: &dyn Datastore) -> Result<Vec<u8>, StoreError> {
    let rows = store.snapshot()?.prefix(Tree::Heads, &[], MAX_HEADS)?;
    let heads = rows.iter().filter_map(|(key, _)| BlockId::from_slice(key)).collect();
    Ok(Broadcast { heads }.encode())
}

/// Puts the name of our cluster before heads that are told to one peer: peers of several clusters may share a secret,
/// and broadcasts have a topic for each.
pub(crate) fn to_cluster(name: &str, heads: &[u8]) -> Vec<u8> {
    [name.as_bytes(), &[0], heads].concat()
}

/// Takes the name off again; `None` when it is that of another cluster.
pub(crate) fn of_cluster<'a>(name: &str, payload: &'a [u8]) -> Option<&'a [u8]> {
    payload.strip_prefix(name.as_bytes())?.strip_prefix(&[0])
}

impl HeadsExchange for CrdtInbox {
    fn exchange_heads(&self, from: PeerId, payload: Vec<u8>) -> BoxFuture<'_, Vec<u8>> {
        Box::pin(async move {
            let Some(heads) = of_cluster(&self.cluster_name, &payload) else { return Vec::new() };
            self.on_heads(from, heads);
            let store = self.store.clone();
            let read = tokio::task::spawn_blocking(move || heads_payload(&*store)).await;
            // A store that does not answer has no heads to tell.
            let heads = read.ok().and_then(Result::ok).unwrap_or_default();
            to_cluster(&self.cluster_name, &heads)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{of_cluster, to_cluster};

    #[test]
    fn heads_are_for_one_cluster() {
        let told = to_cluster("one", b"heads");
        assert_eq!(of_cluster("one", &told), Some(&b"heads"[..]));
        assert_eq!(of_cluster("on", &told), None);
        assert_eq!(of_cluster("one two", &told), None);
        assert_eq!(of_cluster("one", b"one"), None);
    }
}
