//! The wall clock, and one for intervals.

use cluster_core::UnixMillis;
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The moment that was told last, by the clock that nobody sets, and as it was told.
static TOLD: Mutex<Option<(Instant, Duration)>> = Mutex::new(None);

/// Reads the wall clock. A clock before 1970 counts as 1970.
pub fn now() -> UnixMillis {
    millis(wall())
}

/// Reads the wall clock, and goes on where it was set back: whatever waits for a moment would wait as much longer. For
/// intervals, never for what is stored or told.
pub fn steady_now() -> UnixMillis {
    let wall = wall();
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    let here = Instant::now();
    let moment =
        told.map_or(wall, |(then, last)| following(last, here.saturating_duration_since(then), wall));
    *told = Some((here, moment));
    millis(moment)
}

fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn millis(moment: Duration) -> UnixMillis {
    UnixMillis(u64::try_from(moment.as_millis()).unwrap_or(u64::MAX))
}

/// Returns what comes after `last` when so much time has passed. Beside a wall clock that was set back time goes at half
/// its pace until both agree again.
fn following(last: Duration, passed: Duration, wall: Duration) -> Duration {
    wall.max(last.saturating_add(passed / 2))
}

#[cfg(test)]
mod tests {
    use super::{following, steady_now};
    use std::time::Duration;

    #[test]
    fn time_neither_stops_nor_goes_back_when_the_clock_is_set_back() {
        let at = Duration::from_secs;
        assert_eq!(following(at(100), at(2), at(102)), at(102));
        assert_eq!(following(at(100), at(2), at(500)), at(500), "set forward");
        assert_eq!(following(at(100), at(2), at(90)), at(101), "set back");
        let mut told = at(100);
        for second in 0..40 {
            let next = following(told, at(1), at(90 + second));
            assert!(next > told);
            told = next;
        }
        assert_eq!(told, at(129), "both agree again");
        assert!(steady_now() <= steady_now());
    }
}
