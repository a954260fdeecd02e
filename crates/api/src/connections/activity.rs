//! What a connection is doing and since when; written by the connection, read by the reaper.

use super::unasked_trailers::UnaskedTrailers;
use crate::ConnectionLimits;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// A few counters per connection instead of timers per request: arming one costs as much as routing.
#[derive(Debug)]
pub(crate) struct Activity {
    born: Instant,
    /// Requests under way.
    busy: AtomicU32,
    /// The head of a request has begun to arrive.
    in_head: AtomicBool,
    /// HTTP/2: bytes between requests are not the begin of a head.
    multiplexed: AtomicBool,
    /// Milliseconds after `born` at which the state last changed.
    since: AtomicU64,
    /// One more than the milliseconds after `born` since when the client takes nothing; 0 when it does.
    blocked: AtomicU64,
    trailers: UnaskedTrailers,
}

/// Why a connection is closed by this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// The head of a request took too long.
    Head,
    /// No request came for too long.
    Idle,
    /// The client took nothing of an answer for too long.
    Write,
}

impl Activity {
    /// Begins with waiting for the head of the first request.
    pub(crate) fn new(born: Instant) -> Self {
        Self {
            born,
            busy: AtomicU32::new(0),
            in_head: AtomicBool::new(true),
            multiplexed: AtomicBool::new(false),
            since: AtomicU64::new(0),
            blocked: AtomicU64::new(0),
            trailers: UnaskedTrailers::default(),
        }
    }

    /// Returns where trailers wait that the HTTP layer would drop.
    pub(crate) fn trailers(&self) -> &UnaskedTrailers {
        &self.trailers
    }

    /// Notes that bytes came.
    pub(crate) fn received(&self) {
        if self.busy.load(Relaxed) != 0 {
            return;
        }
        if self.multiplexed.load(Relaxed) {
            self.since.store(self.now(), Relaxed);
        } else if !self.in_head.load(Relaxed) {
            self.in_head.store(true, Relaxed);
            self.since.store(self.now(), Relaxed);
        }
    }

    /// Notes whether the client takes what is written.
    pub(crate) fn wrote(&self, blocked: bool) {
        let was = self.blocked.load(Relaxed) != 0;
        if blocked != was {
            self.blocked.store(if blocked { self.now() + 1 } else { 0 }, Relaxed);
        }
    }

    /// Says whether nothing is under way but a head that has not ended.
    pub(crate) fn is_in_head(&self) -> bool {
        self.in_head.load(Relaxed) && self.busy.load(Relaxed) == 0 && self.blocked.load(Relaxed) == 0
    }

    /// Says what is overdue.
    pub(crate) fn overdue(&self, limits: &ConnectionLimits, head: Option<Duration>) -> Option<Overdue> {
        let now = self.now();
        let passed = |since: u64, limit: Option<Duration>| {
            limit.is_some_and(|limit| u128::from(now.saturating_sub(since)) > limit.as_millis())
        };
        let blocked = self.blocked.load(Relaxed);
        if blocked != 0 && passed(blocked - 1, limits.write_timeout) {
            return Some(Overdue::Write);
        }
        if self.busy.load(Relaxed) != 0 {
            return None;
        }
        let since = self.since.load(Relaxed);
        match self.in_head.load(Relaxed) {
            true if passed(since, head) => Some(Overdue::Head),
            false if passed(since, limits.idle_timeout) => Some(Overdue::Idle),
            _ => None,
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }
}

/// A request under way; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Activity>);

impl Busy {
    /// Begins a request.
    pub(crate) fn begin(activity: Arc<Activity>, multiplexed: bool) -> Self {
        activity.busy.fetch_add(1, Relaxed);
        activity.in_head.store(false, Relaxed);
        if multiplexed {
            activity.multiplexed.store(true, Relaxed);
        }
        Self(activity)
    }

    /// Returns the connection's activity.
    pub(crate) fn activity(&self) -> &Activity {
        &self.0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.since.store(self.0.now(), Relaxed);
        self.0.busy.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// An activity that began so long ago.
    fn aged(age: Duration) -> Arc<Activity> {
        Arc::new(Activity::new(Instant::now().checked_sub(age).unwrap()))
    }

    #[test]
    fn each_state_has_its_limit() {
        let limits = ConnectionLimits {
            idle_timeout: Some(SECOND),
            write_timeout: Some(SECOND),
            ..ConnectionLimits::default()
        };
        let line = aged(2 * SECOND);
        assert_eq!(line.overdue(&limits, Some(SECOND)), Some(Overdue::Head));
        assert_eq!(line.overdue(&limits, None), None);
        let busy = Busy::begin(line.clone(), false);
        assert_eq!(line.overdue(&limits, Some(SECOND)), None);
        line.wrote(true);
        assert_eq!(line.overdue(&limits, None), None);
        line.blocked.store(1, Relaxed);
        assert_eq!(line.overdue(&limits, None), Some(Overdue::Write));
        line.wrote(false);
        drop(busy);
        assert_eq!(line.overdue(&limits, Some(SECOND)), None);
        line.since.store(0, Relaxed);
        assert_eq!(line.overdue(&limits, None), Some(Overdue::Idle));
        line.received();
        assert_eq!(line.overdue(&limits, Some(SECOND)), None, "a head has just begun");
        line.since.store(0, Relaxed);
        assert_eq!(line.overdue(&limits, Some(SECOND)), Some(Overdue::Head));
    }

    #[test]
    fn bytes_between_the_requests_of_http2_are_no_head() {
        let limits = ConnectionLimits::default();
        let line = aged(2 * SECOND);
        drop(Busy::begin(line.clone(), true));
        line.received();
        line.since.store(0, Relaxed);
        assert_eq!(line.overdue(&limits, Some(SECOND)), None);
    }
}
