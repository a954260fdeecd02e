//! Sparing a daemon that cannot be reached (api §10.1).

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until},
};

/// Failures in a row after which requests are spaced out.
const PATIENCE: u32 = 10;

/// Time between two requests to a daemon that cannot be reached.
const INTERVAL: Duration = Duration::from_secs(1);

/// Counts failures of the transport in a row and, after more than ten, lets one request pass per second. One success
/// lets all that wait go, the first of them when its second is over.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// Whoever holds it is the next to go; the others stand in line behind it.
    first: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// What the last failure was.
    cause: String,
    /// When the next request may go, while there are too many failures.
    next: Option<Instant>,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self { first: Semaphore::new(1), state: Mutex::default() }
    }

    /// Waits until a request may go.
    ///
    /// # Cancel safety
    /// A wait that is dropped takes nobody's place.
    pub(crate) async fn pass(&self) {
        if self.lock().next.is_none() {
            return;
        }
        // Nobody closes a semaphore; were it closed, requests would no longer be spaced out.
        let _first = self.first.acquire().await;
        while let Some(next) = self.take_turn() {
            sleep_until(next).await;
        }
    }

    /// Notes that the transport failed, and of what.
    pub(crate) fn failed(&self, cause: &str) {
        let mut state = self.lock();
        cause.clone_into(&mut state.cause);
        state.failures = state.failures.saturating_add(1);
        if state.failures > PATIENCE && state.next.is_none() {
            state.next = Some(Instant::now() + INTERVAL);
            tracing::warn!(
                failures = state.failures,
                "the IPFS daemon cannot be reached, requests are spaced out"
            );
        }
    }

    /// Returns the last failure while requests are spaced out.
    pub(crate) fn why(&self) -> Option<String> {
        let state = self.lock();
        state.next.map(|_| state.cause.clone())
    }

    /// Notes that the daemon answered, whatever it said.
    pub(crate) fn answered(&self) {
        let mut state = self.lock();
        state.failures = 0;
        if state.next.take().is_some() {
            tracing::info!("the IPFS daemon can be reached again");
        }
    }

    /// Takes a turn if there is one now; returns `None` then, else when the next comes.
    fn take_turn(&self) -> Option<Instant> {
        let mut state = self.lock();
        let next = state.next?;
        let now = Instant::now();
        if now < next {
            return Some(next);
        }
        state.next = Some(now + INTERVAL);
        None
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// Lets `count` requests pass one after another, each failing; returns how long that took on the paused clock.
    async fn failing(throttle: &Throttle, count: u32) -> Duration {
        let start = Instant::now();
        for _ in 0..count {
            throttle.pass().await;
            throttle.failed("connection refused");
        }
        start.elapsed()
    }

    /// The clock's own grain.
    fn about(duration: Duration, seconds: u64) -> bool {
        duration.abs_diff(Duration::from_secs(seconds)) < Duration::from_millis(100)
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_spaced_out_after_more_than_ten_failures() {
        let throttle = Throttle::new();
        assert_eq!(failing(&throttle, 11).await, Duration::ZERO);
        let five = failing(&throttle, 5).await;
        assert!(about(five, 5), "{five:?}");
        throttle.answered();
        assert_eq!(failing(&throttle, 11).await, Duration::ZERO);
        let one = failing(&throttle, 1).await;
        assert!(about(one, 1), "{one:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_with_a_success_between_them_do_not_count() {
        let throttle = Throttle::new();
        for _ in 0..5 {
            assert_eq!(failing(&throttle, 10).await, Duration::ZERO);
            throttle.answered();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_success_lets_all_go() {
        let throttle = Arc::new(Throttle::new());
        failing(&throttle, 11).await;
        let start = Instant::now();
        let waiting: Vec<_> = (0..100)
            .map(|_| {
                let throttle = throttle.clone();
                tokio::spawn(async move {
                    throttle.pass().await;
                    throttle.answered();
                })
            })
            .collect();
        for task in waiting {
            task.await.unwrap();
        }
        let took = start.elapsed();
        assert!(about(took, 1), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn waits_that_are_given_up_take_nobodys_place() {
        let throttle = Throttle::new();
        failing(&throttle, 11).await;
        let start = Instant::now();
        for _ in 0..20 {
            let wait = tokio::time::timeout(Duration::from_millis(10), throttle.pass());
            assert!(wait.await.is_err());
        }
        throttle.pass().await;
        let took = start.elapsed();
        assert!(about(took, 1), "{took:?}");
    }
}
