//! Closes connections that are overdue: one walk over all of them now and then, instead of timers for each.

use super::Activity;
use crate::ConnectionLimits;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::task::AbortHandle;

/// Bounds of the pause between two walks.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// The open connections and their limits.
#[derive(Debug)]
pub(super) struct Reaper {
    open: Mutex<Vec<(Arc<Activity>, AbortHandle)>>,
    limits: ConnectionLimits,
    head: Option<Duration>,
}

impl Reaper {
    pub(super) fn new(limits: ConnectionLimits, head: Option<Duration>) -> Self {
        Self { open: Mutex::default(), limits, head }
    }

    /// Takes a connection and the task that serves it.
    pub(super) fn watch(&self, activity: Arc<Activity>, task: AbortHandle) {
        self.lock().push((activity, task));
    }

    /// Walks until dropped.
    pub(super) async fn run(&self) {
        let limits = [self.head, self.limits.idle_timeout, self.limits.write_timeout];
        let pause = limits.into_iter().flatten().min().unwrap_or(PAUSE.1) / 4;
        let mut ticks = tokio::time::interval(pause.clamp(PAUSE.0, PAUSE.1));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.lock().retain(|(activity, task)| {
                if task.is_finished() {
                    return false;
                }
                let Some(overdue) = activity.overdue(&self.limits, self.head) else { return true };
                tracing::debug!(target: "restapi", ?overdue, "a connection is closed");
                task.abort();
                false
            });
        }
    }

    /// Closes at once every connection that is `wanted` closed.
    pub(super) fn close(&self, wanted: impl Fn(&Activity) -> bool) {
        self.lock().retain(|(activity, task)| {
            let closed = wanted(activity);
            if closed {
                task.abort();
            }
            !closed
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Arc<Activity>, AbortHandle)>> {
        // The list is whole after every call, whoever panicked.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
