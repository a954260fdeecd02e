//! How long to wait before a peer is tried again.

use std::time::Duration;
use tokio::time::Instant;

/// Pause after the first failure; each further one doubles it.
const SHORTEST: Duration = Duration::from_millis(50);

/// Longest pause. A member that is back and did not connect by itself is heard by then.
pub(super) const LONGEST: Duration = Duration::from_secs(2);

/// Grows with every failure.
#[derive(Debug, Default)]
pub(super) struct Pause {
    failures: u32,
    until: Option<Instant>,
}

impl Pause {
    /// Notes that the peer works.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    /// Notes a failure.
    pub(super) fn grow(&mut self, now: Instant) {
        let pause = SHORTEST.saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + pause.min(LONGEST));
    }

    /// Says whether it is too early to try.
    pub(super) fn holds(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_end_at_once() {
        let (mut pause, now) = (Pause::default(), Instant::now());
        assert!(!pause.holds(now));
        for expected in [50, 100, 200, 400, 800, 1600, 2000, 2000] {
            pause.grow(now);
            let end = now + Duration::from_millis(expected);
            assert!(pause.holds(end - Duration::from_millis(1)) && !pause.holds(end), "{expected}");
        }
        (0..100).for_each(|_| pause.grow(now));
        assert!(!pause.holds(now + LONGEST));
        pause.end();
        assert!(!pause.holds(now));
        pause.grow(now);
        assert!(!pause.holds(now + SHORTEST));
    }
}
