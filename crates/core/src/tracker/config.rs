//! What the tracker may do.

use crate::UnixMillis;
use std::time::Duration;

/// Waiting times between attempts: doubling, capped, with jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// At most.
    pub max: Duration,
}

impl Backoff {
    /// Returns when to try again after `attempts` failures; `random` spreads it by a quarter either way.
    pub fn next(&self, attempts: u32, now: UnixMillis, random: u64) -> UnixMillis {
        let doubled =
            self.first.saturating_mul(1u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX));
        let wait = doubled.min(self.max);
        // 75 % to 125 %, in steps of a thousandth.
        let permille = 750 + u32::try_from(random % 501).unwrap_or(0);
        now.plus(wait.saturating_mul(permille) / 1000)
    }
}

/// Limits of the tracker.
#[derive(Debug, Clone, Copy)]
pub struct TrackerConfig {
    /// Pin requests at once.
    pub concurrent_pins: usize,
    /// Unpin requests at once.
    pub concurrent_unpins: usize,
    /// Presence checks at once.
    pub concurrent_checks: usize,
    /// Waiting times after failures.
    pub backoff: Backoff,
    /// Time within which every pinned CID is checked once, while there are at most `checks_per_second` times as
    /// many seconds in it; beyond that a pass takes longer.
    pub check_pass: Duration,
    /// Presence checks a second, at most.
    pub checks_per_second: u32,
}

impl Default for TrackerConfig {
    fn default() -> Self {
        Self {
            concurrent_pins: 10,
            concurrent_unpins: 4,
            concurrent_checks: 2,
            backoff: Backoff { first: Duration::from_secs(5), max: Duration::from_secs(12 * 60) },
            check_pass: Duration::from_secs(600),
            checks_per_second: 200,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_within_the_jitter() {
        let backoff = Backoff { first: Duration::from_secs(4), max: Duration::from_secs(60) };
        let wait = |attempts, random| backoff.next(attempts, UnixMillis(0), random).0;
        assert_eq!((wait(1, 0), wait(1, 250), wait(1, 500)), (3000, 4000, 5000));
        assert_eq!(wait(3, 250), 16_000);
        assert_eq!(wait(30, 250), 60_000);
        assert_eq!(wait(u32::MAX, 250), 60_000);
    }
}
