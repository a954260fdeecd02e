//! The wall clock, and one for intervals.

use cluster_core::UnixMillis;
use std::{
    sync::LazyLock,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// One moment by both clocks.
static ANCHOR: LazyLock<(Instant, UnixMillis)> = LazyLock::new(|| (Instant::now(), now()));

/// Reads the wall clock. A clock before 1970 counts as 1970.
pub fn now() -> UnixMillis {
    #[cfg(feature = "simulation")]
    if let Some(now) = crate::simulation::wall_now() {
        return now;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Reads a clock that nobody sets, and that began as the wall clock: with one that is set back, whatever waits for a moment
/// would wait as much longer. For intervals, never for what is stored or told.
pub fn steady_now() -> UnixMillis {
    #[cfg(feature = "simulation")]
    if let Some(now) = crate::simulation::steady_now() {
        return now;
    }
    let (began, wall) = *ANCHOR;
    wall.plus(began.elapsed())
}

#[cfg(test)]
mod tests {
    use super::{now, steady_now};
    use std::time::Duration;

    #[test]
    fn the_clock_for_intervals_goes_on_from_the_wall_clock() {
        let began = steady_now();
        assert!(now().since(began).max(began.since(now())) < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
        assert!(steady_now().since(began) >= Duration::from_millis(19));
    }
}
