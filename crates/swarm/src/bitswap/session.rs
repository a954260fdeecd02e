//! A peer while it is connected.

use cluster_core::PeerId;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

/// Inbound streams of one peer; a further one is dropped and counted. Go opens one for each answer, five at a time.
pub(super) const MAX_STREAMS: usize = 64;

/// Bytes of one peer's long messages that are in memory at once; a further message waits for room, within its
/// deadline.
const MAX_INBOUND_BYTES: usize = 8 * 1024 * 1024;

/// The state of a connected peer that its tasks share.
#[derive(Debug)]
pub(super) struct Session {
    /// Whose it is.
    pub(super) peer: PeerId,
    /// Cancelled when the peer is gone or the exchange stops.
    pub(super) gone: CancellationToken,
    /// Tells the writer of wants that there are some.
    pub(super) wants_ready: Notify,
    /// Tells the writer of answers that some are due.
    pub(super) answers_ready: Notify,
    /// A permit for each inbound stream.
    pub(super) streams: Arc<Semaphore>,
    /// A permit for each byte of long inbound messages.
    pub(super) bytes: Arc<Semaphore>,
    ours: AtomicBool,
}

impl Session {
    /// Starts the session of a peer.
    pub(super) fn new(peer: PeerId, gone: CancellationToken) -> Self {
        Self {
            peer,
            gone,
            wants_ready: Notify::new(),
            answers_ready: Notify::new(),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            bytes: Arc::new(Semaphore::new(MAX_INBOUND_BYTES)),
            ours: AtomicBool::new(false),
        }
    }

    /// Says whether the peer is one of this suite, as far as is known.
    pub(super) fn is_ours(&self) -> bool {
        self.ours.load(Relaxed)
    }

    /// Notes that the peer is one of this suite.
    pub(super) fn set_ours(&self) {
        self.ours.store(true, Relaxed);
    }
}
