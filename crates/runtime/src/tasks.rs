//! Supervised tasks: each has a name, and what its end means is fixed where it starts.

use std::{future::Future, time::Duration};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What the end of a task means before anybody asked it to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnEnd {
    /// Nothing: it had an end of its own.
    Nothing,
    /// The peer cannot go on without it and stops.
    Stop,
}

/// A group of tasks that stop together.
#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    failed: CancellationToken,
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    /// Makes an empty group.
    pub fn new() -> Self {
        Self { tracker: TaskTracker::new(), stop: CancellationToken::new(), failed: CancellationToken::new() }
    }

    /// Returns the token that tells the tasks to stop.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Waits until a task that must not end has ended.
    pub async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// Starts a task.
    pub fn spawn<F>(&self, name: &'static str, on_end: OnEnd, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, failed) = (self.stop.clone(), self.failed.clone());
        let task = self.tracker.spawn(future);
        self.tracker.spawn(async move {
            let result = task.await;
            if let Err(error) = &result
                && error.is_panic()
            {
                tracing::error!(target: "service", task = name, "a task panicked");
            }
            if on_end == OnEnd::Stop && !stop.is_cancelled() {
                tracing::error!(target: "service", task = name, "a task ended that the peer needs; stopping");
                failed.cancel();
            }
        });
    }

    /// Tells every task to stop and waits for them, at most `limit`; false when some did not.
    pub async fn stop(&self, limit: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait()).await.is_ok()
    }
}
