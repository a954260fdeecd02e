//! What the other members' clocks show, so that a leader notices when its own is far off.

use cluster_core::{PeerId, UnixMillis};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How far a clock may be ahead of most others. An entry that is dated later makes Raft's clock, which never runs back,
/// forget requests too early.
pub(super) const MAX_AHEAD: Duration = Duration::from_secs(60);

/// How far the others' clocks were ahead of this one's when last heard of, in milliseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Clocks(Arc<Mutex<HashMap<PeerId, i64>>>);

impl Clocks {
    /// Takes note of what a clock showed just now.
    pub(super) fn note(&self, peer: PeerId, shows: UnixMillis, now: UnixMillis) {
        let ahead = i64::try_from(i128::from(shows.0) - i128::from(now.0)).unwrap_or(i64::MAX);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(peer, ahead);
    }

    /// Returns the time to date an entry with: this clock's, unless it is far ahead of most members' clocks. Those that
    /// were not heard of do not count.
    pub(super) fn fair(&self, now: UnixMillis, members: &[PeerId], local: PeerId) -> UnixMillis {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ahead: Vec<i64> = members
            .iter()
            .filter_map(|peer| if *peer == local { Some(0) } else { known.get(peer).copied() })
            .collect();
        ahead.sort_unstable();
        // Of two the one that is behind: pins that live a little longer do less harm.
        let Some(middle) = ahead.get(ahead.len().saturating_sub(1) / 2).copied() else { return now };
        let behind = u64::try_from(middle.saturating_neg()).unwrap_or_default();
        if u128::from(behind) > MAX_AHEAD.as_millis() {
            UnixMillis(now.0.saturating_sub(behind))
        } else {
            now
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_far_ahead_of_most_is_not_believed() {
        let [local, one, two] = [(); 3].map(|()| PeerId::random());
        let members = [local, one, two];
        let now = UnixMillis(1_700_000_000_000);
        let hours = |hours: u64| UnixMillis(now.0 - hours * 3_600_000);
        let clocks = Clocks::default();
        assert_eq!(clocks.fair(now, &members, local), now, "nobody was heard of");
        clocks.note(one, hours(10), now);
        clocks.note(two, now, now);
        assert_eq!(clocks.fair(now, &members, local), now, "the other one is wrong");
        clocks.note(two, hours(9), now);
        assert_eq!(clocks.fair(now, &members, local), hours(9));
        clocks.note(two, UnixMillis(now.0 + 7_200_000), now);
        assert_eq!(clocks.fair(now, &members, local), now, "this one is behind, if anything");
        assert_eq!(clocks.fair(now, &[local], local), now);
    }
}
