//! Tells the operator about handshakes that break, without flooding the log.

use super::counters::SwarmCounters;
use std::{
    fmt::Display,
    sync::Arc,
    time::{Duration, Instant},
};

/// Least time between two lines.
const QUIET: Duration = Duration::from_secs(60);

/// Warns of broken handshakes: the first at once, then at most one line a minute with a count.
#[derive(Debug)]
pub(super) struct HandshakeAlarm {
    last: Option<Instant>,
    untold: u64,
    counters: Arc<SwarmCounters>,
}

impl HandshakeAlarm {
    pub(super) fn new(counters: Arc<SwarmCounters>) -> Self {
        Self { last: None, untold: 0, counters }
    }

    /// Notes a broken handshake with `remote`.
    pub(super) fn note(&mut self, remote: &dyn Display, cause: &dyn Display, now: Instant) {
        self.counters.handshake_failures.increase();
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < QUIET) {
            self.untold += 1;
            return;
        }
        self.last = Some(now);
        self.counters.handshake_warnings.increase();
        let others = std::mem::take(&mut self.untold);
        tracing::warn!(
            target: "swarm",
            %remote,
            %cause,
            others,
            "a handshake broke; most likely the cluster secret over there is another one than ours (cluster.secret)"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute() {
        let counters = Arc::new(SwarmCounters::default());
        let mut alarm = HandshakeAlarm::new(counters.clone());
        let start = Instant::now();
        for second in [0, 0, 1, 59, 60, 61, 119] {
            alarm.note(&"/ip4/1.2.3.4/tcp/1", &"garbage", start + Duration::from_secs(second));
        }
        assert_eq!(counters.handshake_failures.get(), 7);
        assert_eq!(counters.handshake_warnings.get(), 2);
        assert_eq!(alarm.untold, 2);
    }
}
