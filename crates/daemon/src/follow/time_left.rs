//! Guessing how long a sync still takes.

use super::SyncFigures;
use cluster_core::go_duration;
use std::{collections::VecDeque, fmt, time::Duration};
use tokio::time::Instant;

/// How far back the pace is measured: it changes with the peers and with the size of what is pinned.
const WINDOW: Duration = Duration::from_secs(60);

/// How long a pace must have been measured before it says anything.
const SHORTEST: Duration = Duration::from_secs(3);

/// The pace of a sync: what was seen of it lately.
#[derive(Debug, Default)]
pub(super) struct Pace(VecDeque<(Instant, SyncFigures)>);

/// How long a sync still takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeLeft {
    left: Duration,
    /// As long as blocks are missing, what is below them is not known.
    at_least: bool,
}

impl Pace {
    /// Notes what is seen now, and says how long the rest takes at this pace. `height` is that of the DAG, which has at
    /// least as many blocks. `None` when the pace is not known or nothing moves.
    pub(super) fn note(&mut self, now: Instant, seen: SyncFigures, height: u64) -> Option<TimeLeft> {
        while self.0.front().is_some_and(|(then, _)| now.duration_since(*then) > WINDOW) {
            self.0.pop_front();
        }
        self.0.push_back((now, seen));
        let (then, before) = *self.0.front()?;
        let elapsed = now.duration_since(then);
        if elapsed < SHORTEST {
            return None;
        }
        let walking = seen.missing > 0;
        let blocks = if walking { height.max(seen.merged + seen.missing) } else { seen.merged };
        // The blocks that are to come bring as many pins each as those that came.
        let pins = scaled(seen.pins, blocks, seen.merged);
        let left = [
            (blocks - seen.merged, seen.merged.saturating_sub(before.merged)),
            (
                pins.saturating_sub(seen.settled_pins()),
                seen.settled_pins().saturating_sub(before.settled_pins()),
            ),
        ];
        // Both go on at the same time.
        let mut longest = Duration::ZERO;
        for (rest, done) in left.into_iter().filter(|(rest, _)| *rest > 0) {
            longest = longest.max(at_pace(rest, done, elapsed)?);
        }
        Some(TimeLeft { left: longest, at_least: walking })
    }
}

/// Returns `count · by / per`, or `count` when `per` is nothing.
fn scaled(count: u64, by: u64, per: u64) -> u64 {
    let scaled = u128::from(count) * u128::from(by) / u128::from(per.max(1));
    if per == 0 { count } else { u64::try_from(scaled).unwrap_or(u64::MAX) }
}

/// Returns how long the rest takes if `done` took `elapsed`; `None` when nothing was done, or for ever is meant.
fn at_pace(rest: u64, done: u64, elapsed: Duration) -> Option<Duration> {
    if done == 0 {
        return None;
    }
    Duration::try_from_secs_f64(elapsed.as_secs_f64() * (rest as f64) / (done as f64)).ok()
}

impl fmt::Display for TimeLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = if self.at_least { "at least" } else { "about" };
        // What is left is never nothing: whoever is done says so.
        let seconds = (self.left.as_secs_f64().ceil() as u64).max(1);
        write!(f, "{bound} {} left", go_duration::print(Duration::from_secs(seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u64, start: Instant) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn text(left: Option<TimeLeft>) -> String {
        left.map_or_else(String::new, |left| left.to_string())
    }

    #[test]
    fn pins_that_are_known_take_as_long_as_those_before() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let seen = |pinned| SyncFigures {
            merged: 5,
            pins: 1000,
            pinned,
            pinning: 1000 - pinned,
            ..SyncFigures::default()
        };
        assert_eq!(text(pace.note(start, seen(0), 5)), "");
        // Too early to say.
        assert_eq!(text(pace.note(after(2, start), seen(20), 5)), "");
        assert_eq!(text(pace.note(after(10, start), seen(100), 5)), "about 1m30s left");
        assert_eq!(text(pace.note(after(50, start), seen(999), 5)), "about 1s left");
    }

    #[test]
    fn blocks_that_are_not_known_bring_as_many_pins_as_the_others() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let seen = |merged, pinned| SyncFigures {
            merged,
            missing: 1,
            pins: merged * 10,
            pinned,
            pinning: merged * 10 - pinned,
            ..SyncFigures::default()
        };
        pace.note(start, seen(0, 0), 100);
        // 80 of 100 blocks are left at 2 a second, and 950 of 1000 pins at 5 a second.
        assert_eq!(text(pace.note(after(10, start), seen(20, 50), 100)), "at least 3m10s left");
        // 40 of 100 blocks at 2 a second, and 430 of 1000 pins at 19 a second.
        assert_eq!(text(pace.note(after(30, start), seen(60, 570), 100)), "at least 23s left");
        // Higher than anything seen before: the height is a bound, not the number.
        assert_eq!(text(pace.note(after(50, start), seen(100, 1000), 7)), "at least 1s left");
    }

    #[test]
    fn what_stands_still_has_no_end_and_an_old_pace_is_forgotten() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let seen = |pinned| SyncFigures {
            merged: 1,
            pins: 100,
            pinned,
            pinning: 100 - pinned,
            ..SyncFigures::default()
        };
        pace.note(start, seen(0), 1);
        assert_eq!(text(pace.note(after(10, start), seen(50), 1)), "about 10s left");
        assert_eq!(text(pace.note(after(60, start), seen(50), 1)), "about 1m0s left");
        assert_eq!(text(pace.note(after(75, start), seen(50), 1)), "");
    }
}
