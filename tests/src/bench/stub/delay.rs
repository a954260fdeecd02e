//! One delay for all answers, exact to some 50 µs: tokio's own timer rounds up to whole milliseconds, which would
//! turn 5 ms into 6.

use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Calls that wait exactly: more than any peer has in flight. When it is full, a call waits by the runtime's
/// coarser timer instead.
const WAITING: usize = 4_096;

type Waiter = (Instant, oneshot::Sender<()>);

/// Lets calls pass after a delay that is the same for all, so that they leave in the order they came.
#[derive(Debug, Clone)]
pub(super) struct DelayLine {
    micros: Arc<AtomicU64>,
    waiters: SyncSender<Waiter>,
}

impl DelayLine {
    /// Starts the thread that lets calls pass; it ends with the last clone of this.
    pub(super) fn start(delay: Duration) -> Result<Self> {
        let (waiters, arrivals) = sync_channel(WAITING);
        std::thread::Builder::new()
            .name("delay".to_owned())
            .spawn(move || release(&arrivals))
            .context("starting a thread")?;
        Ok(Self { micros: Arc::new(AtomicU64::new(micros(delay))), waiters })
    }

    /// Changes the delay of later calls.
    pub(super) fn set(&self, delay: Duration) {
        self.micros.store(micros(delay), Ordering::Relaxed);
    }

    /// Waits for the delay.
    pub(super) async fn pass(&self) {
        let delay = Duration::from_micros(self.micros.load(Ordering::Relaxed));
        if delay.is_zero() {
            return;
        }
        let (sender, receiver) = oneshot::channel();
        if self.waiters.try_send((Instant::now() + delay, sender)).is_err() || receiver.await.is_err() {
            tokio::time::sleep(delay).await;
        }
    }
}

fn release(arrivals: &Receiver<Waiter>) {
    while let Ok((due, waiter)) = arrivals.recv() {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        // The caller may have gone; then nobody waits.
        waiter.send(()).unwrap_or_default();
    }
}

fn micros(delay: Duration) -> u64 {
    u64::try_from(delay.as_micros()).unwrap_or(u64::MAX)
}
