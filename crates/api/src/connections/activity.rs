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
    /// HTTP/2: those of them with a part of the answer ready that the client has not made room for.
    unwanted: AtomicU32,
    /// Milliseconds after `born` at which the last such part became ready.
    offered: AtomicU64,
    /// The head of a request has begun to arrive.
    in_head: AtomicBool,
    /// HTTP/2: bytes between requests need not be the begin of a head.
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
            unwanted: AtomicU32::new(0),
            offered: AtomicU64::new(0),
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
        // Over HTTP/2 they are the begin of a head only when a request comes of it.
        if self.busy.load(Relaxed) != 0 || self.multiplexed.load(Relaxed) {
            return;
        }
        if !self.in_head.load(Relaxed) {
            self.in_head.store(true, Relaxed);
            self.since.store(self.now(), Relaxed);
        }
    }

    /// Notes whether the client takes what is written.
    pub(crate) fn wrote(&self, blocked: bool) {
        let was = self.blocked.load(Relaxed) != 0;
        if blocked == was {
            return;
        }
        self.blocked.store(if blocked { self.now() + 1 } else { 0 }, Relaxed);
        // Only now is the connection idle when this was the end of an answer.
        if !blocked && !self.in_head.load(Relaxed) && !self.multiplexed.load(Relaxed) {
            self.since.store(self.now(), Relaxed);
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
        let (busy, since) = (self.busy.load(Relaxed), self.since.load(Relaxed));
        let in_head = busy == 0 && self.in_head.load(Relaxed);
        if in_head && passed(since, head) {
            return Some(Overdue::Head);
        }
        // The end of an answer waits in the HTTP layer's buffer, where it does not count as a request.
        let blocked = self.blocked.load(Relaxed);
        if blocked != 0 {
            return passed(blocked - 1, limits.write_timeout).then_some(Overdue::Write);
        }
        if busy != 0 {
            let is_unwanted = self.unwanted.load(Relaxed) >= busy;
            let overdue = is_unwanted && passed(self.offered.load(Relaxed), limits.write_timeout);
            return overdue.then_some(Overdue::Write);
        }
        (!in_head && passed(since, limits.idle_timeout)).then_some(Overdue::Idle)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }
}

/// A request under way; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Busy {
    activity: Arc<Activity>,
    multiplexed: bool,
    /// The HTTP layer has a part of the answer that it may not be rid of yet.
    offered: bool,
}

impl Busy {
    /// Begins a request.
    pub(crate) fn begin(activity: Arc<Activity>, multiplexed: bool) -> Self {
        activity.busy.fetch_add(1, Relaxed);
        activity.in_head.store(false, Relaxed);
        if multiplexed {
            activity.multiplexed.store(true, Relaxed);
        }
        Self { activity, multiplexed, offered: false }
    }

    /// Returns the connection's activity.
    pub(crate) fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Notes that the HTTP layer took a part of the answer. Where requests share a connection, the client may let each
    /// of them wait while the connection itself takes all that is written.
    pub(crate) fn offer(&mut self) {
        if self.multiplexed && !self.offered {
            self.offered = true;
            self.activity.offered.store(self.activity.now(), Relaxed);
            self.activity.unwanted.fetch_add(1, Relaxed);
        }
    }

    /// Notes that the HTTP layer is rid of the last part, as it asks for another one.
    pub(crate) fn ask(&mut self) {
        if self.offered {
            self.offered = false;
            self.activity.unwanted.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.ask();
        self.activity.since.store(self.activity.now(), Relaxed);
        self.activity.busy.fetch_sub(1, Relaxed);
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
    fn bytes_between_the_requests_of_http2_are_no_head_and_no_request() {
        let limits = ConnectionLimits { idle_timeout: Some(SECOND), ..ConnectionLimits::default() };
        let line = aged(2 * SECOND);
        drop(Busy::begin(line.clone(), true));
        line.since.store(0, Relaxed);
        line.received();
        assert_eq!(line.overdue(&limits, Some(SECOND)), Some(Overdue::Idle));
    }

    #[test]
    fn an_answer_that_no_request_makes_room_for_is_overdue() {
        let limits = ConnectionLimits { write_timeout: Some(SECOND), ..ConnectionLimits::default() };
        let line = aged(2 * SECOND);
        let mut first = Busy::begin(line.clone(), true);
        first.offer();
        assert_eq!(line.overdue(&limits, None), None, "just now");
        line.offered.store(0, Relaxed);
        assert_eq!(line.overdue(&limits, None), Some(Overdue::Write));
        let second = Busy::begin(line.clone(), true);
        assert_eq!(line.overdue(&limits, None), None, "another request is worked on");
        drop(second);
        assert_eq!(line.overdue(&limits, None), Some(Overdue::Write));
        first.ask();
        assert_eq!(line.overdue(&limits, None), None, "the next part is not ready");
        first.offer();
        line.offered.store(0, Relaxed);
        drop(first);
        assert_eq!(line.overdue(&limits, None), None);
        assert_eq!((line.busy.load(Relaxed), line.unwanted.load(Relaxed)), (0, 0));
    }

    #[test]
    fn the_end_of_an_answer_is_not_cut_for_idleness() {
        let limits = ConnectionLimits { idle_timeout: Some(SECOND), ..ConnectionLimits::default() };
        let line = aged(2 * SECOND);
        drop(Busy::begin(line.clone(), false));
        line.wrote(true);
        line.since.store(0, Relaxed);
        assert_eq!(line.overdue(&limits, None), None);
        line.wrote(false);
        assert_eq!(line.overdue(&limits, None), None, "idle from now on");
        line.since.store(0, Relaxed);
        assert_eq!(line.overdue(&limits, None), Some(Overdue::Idle));
    }
}
