//! The monitor, shared by those who hear metrics and those who ask for them.

use crate::PingValue;
use cluster_core::{
    Metric, PeerId, UnixMillis,
    allocation::{self, Placement},
    metric::{PING, UnixNanos},
    monitor::{MetricRefusal, Monitor, MonitorCounts, Taken},
    ports::{PeerSet, cluster_api::Alert, swarm::Verdict},
};
use cluster_runtime::now;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Least time between two warnings about metrics of other peers.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Knows the last metrics of all peers, and with them who the members are. Clones share one state; nothing here waits.
#[derive(Debug, Clone)]
pub struct MetricsBoard {
    me: PeerId,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    monitor: Monitor,
    /// When the next warning may be given.
    quiet_until: UnixMillis,
}

impl MetricsBoard {
    /// Makes the empty board of a peer.
    pub fn new(me: PeerId) -> Self {
        Self { me, state: Arc::default() }
    }

    /// Returns the peer whose board this is.
    pub fn me(&self) -> PeerId {
        self.me
    }

    /// Takes in a metric that another peer told. One that claims to be of this peer is ignored: what this peer says
    /// of itself is known better.
    pub fn on_metric(&self, metric: Metric) -> Verdict {
        let peer = metric.peer;
        if peer == self.me {
            return Verdict::Ignore;
        }
        let now = now();
        let mut state = self.lock();
        let taken = state.monitor.insert(metric, now);
        let counts = state.monitor.counts();
        let warn = taken != Ok(Taken::Fresh) && now >= state.quiet_until;
        if warn {
            state.quiet_until = now.plus(WARN_EVERY);
        }
        drop(state);
        if warn {
            warn_about(&peer, taken, counts);
        }
        match taken {
            Ok(_) => Verdict::Accept,
            Err(refusal) if refusal.is_malformed() => Verdict::Reject,
            Err(_) => Verdict::Ignore,
        }
    }

    /// Notes a metric of this peer.
    pub fn on_own_metric(&self, metric: Metric) {
        let name = metric.name.clone();
        if let Err(error) = self.lock().monitor.insert(metric, now()) {
            tracing::warn!(target: "monitor", metric = name, %error, "a metric of this peer is not kept");
        }
    }

    /// Makes a peer that was just connected or joined a member for `ttl` (that of a ping), unless it is one: it may take
    /// an interval until it is heard.
    pub fn greet(&self, peer: PeerId, ttl: Duration) {
        let now = now();
        let mut state = self.lock();
        if state.monitor.last(PING, &peer).is_some_and(|ping| ping.counts_at(now)) {
            return;
        }
        let ping = Metric {
            name: PING.to_owned(),
            peer,
            value: String::new(),
            expires: UnixNanos::from_millis(now.plus(ttl)),
            valid: true,
            weight: 0,
            partitionable: false,
            received_at: UnixNanos::default(),
        };
        // Without room the peer is a member when there is.
        let _ = state.monitor.insert(ping, now);
    }

    /// Forgets the metrics of a peer: it is no member until it is heard again, and raises no alerts.
    pub fn forget(&self, peer: &PeerId) {
        self.lock().monitor.forget(peer);
    }

    /// Looks for metrics that expired and returns the alerts that are new.
    pub fn check(&self) -> Vec<Alert> {
        self.lock().monitor.check(now())
    }

    /// Lists alerts, newest first.
    pub fn alerts(&self) -> Vec<Alert> {
        self.lock().monitor.alerts()
    }

    /// Lists the names of all metrics seen, sorted.
    pub fn metric_names(&self) -> Vec<String> {
        self.lock().monitor.names()
    }

    /// Returns the last metric of each peer that counts now, sorted by binary peer ID.
    pub fn metrics(&self, name: &str) -> Vec<Metric> {
        self.lock().monitor.latest(name, now())
    }

    /// Returns what a peer last told in its ping, however old; `None` when it was never heard.
    pub fn ping_value(&self, peer: &PeerId) -> Option<PingValue> {
        let text = self.lock().monitor.last(PING, peer)?.value.clone();
        Some(PingValue::decode(&text))
    }

    /// Ranks the peers that could take a pin now by the metrics named in `allocate_by`, best first.
    pub fn rank(
        &self,
        allocate_by: &[String],
        placement: Placement<'_>,
        admit: impl Fn(&PeerId) -> bool,
    ) -> Vec<PeerId> {
        let now = now();
        let state = self.lock();
        let metrics: Vec<Vec<Metric>> =
            allocate_by.iter().map(|name| state.monitor.latest(name, now)).collect();
        drop(state);
        allocation::rank(&metrics, placement, admit)
    }

    /// Counts by name what was not taken as it came since the start.
    pub fn drops(&self) -> [(&'static str, u64); 3] {
        let MonitorCounts { refused, shortened, late } = self.lock().monitor.counts();
        [("metrics refused", refused), ("metrics cut short", shortened), ("metrics too late", late)]
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PeerSet for MetricsBoard {
    fn members(&self) -> Vec<PeerId> {
        let mut members = self.lock().monitor.members(now());
        if let Err(place) = members.binary_search(&self.me) {
            members.insert(place, self.me);
        }
        members
    }
}

fn warn_about(peer: &PeerId, taken: Result<Taken, MetricRefusal>, counts: MonitorCounts) {
    let MonitorCounts { refused, shortened, late } = counts;
    match taken {
        Ok(Taken::Fresh) => {}
        Ok(Taken::Shortened) => tracing::warn!(
            target: "monitor", %peer, shortened,
            "a peer's metrics hold for more than a day: is its clock ahead of ours? They are cut to a day"
        ),
        Ok(Taken::Late) => tracing::warn!(
            target: "monitor", %peer, late,
            "a peer's metrics have expired when they arrive: is its clock behind ours? They do not count"
        ),
        Err(error) => {
            tracing::warn!(target: "monitor", %peer, %error, refused, "metrics of a peer are not kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ping(peer: PeerId, value: &str, ttl: Duration) -> Metric {
        Metric {
            name: PING.to_owned(),
            peer,
            value: value.to_owned(),
            expires: UnixNanos::from_millis(now().plus(ttl)),
            valid: true,
            weight: 0,
            partitionable: false,
            received_at: UnixNanos::default(),
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn members_are_this_peer_and_whoever_was_heard() {
        let board = MetricsBoard::new(PeerId::random());
        assert_eq!(board.members(), [board.me()]);
        let mut expected = vec![board.me()];
        for _ in 0..10 {
            let peer = PeerId::random();
            assert_eq!(board.on_metric(ping(peer, "", HOUR)), Verdict::Accept);
            expected.push(peer);
        }
        expected.sort_by_key(|peer| peer.to_bytes());
        assert_eq!(board.members(), expected);
        board.on_own_metric(ping(board.me(), "", HOUR));
        assert_eq!(board.members(), expected);
        let gone = *expected.iter().find(|peer| **peer != board.me()).unwrap();
        board.forget(&gone);
        expected.retain(|peer| *peer != gone);
        assert_eq!(board.members(), expected);
    }

    #[test]
    fn a_greeted_peer_is_a_member_and_what_it_told_itself_stays() {
        let board = MetricsBoard::new(PeerId::random());
        let (silent, heard) = (PeerId::random(), PeerId::random());
        let told = PingValue { peername: "b".to_owned(), ..PingValue::default() };
        board.on_metric(ping(heard, &told.encode(), HOUR));
        board.greet(silent, HOUR);
        board.greet(heard, HOUR);
        assert_eq!(board.members().len(), 3);
        assert_eq!(board.ping_value(&silent), Some(PingValue::default()));
        assert_eq!(board.ping_value(&heard), Some(told));
        assert_eq!(board.ping_value(&PeerId::random()), None);
    }

    #[test]
    fn verdicts_blame_the_bad_metric_only() {
        let board = MetricsBoard::new(PeerId::random());
        let peer = PeerId::random();
        assert_eq!(board.on_metric(ping(board.me(), "", HOUR)), Verdict::Ignore);
        assert_eq!(board.metrics(PING), []);
        let nameless = Metric { name: String::new(), ..ping(peer, "", HOUR) };
        assert_eq!(board.on_metric(nameless), Verdict::Reject);
        let named = |n| Metric { name: format!("n{n}"), ..ping(peer, "", HOUR) };
        let verdicts: Vec<Verdict> = (0..65).map(|n| board.on_metric(named(n))).collect();
        assert_eq!(verdicts[..64], [Verdict::Accept; 64]);
        assert_eq!(verdicts[64], Verdict::Ignore);
        assert_eq!(board.metric_names().len(), 64);
        // Wrong clocks are no reason to keep a metric from others.
        let other = PeerId::random();
        assert_eq!(board.on_metric(ping(other, "", 100 * HOUR)), Verdict::Accept);
        let old = Metric { expires: UnixNanos(1), ..ping(PeerId::random(), "", HOUR) };
        assert_eq!(board.on_metric(old), Verdict::Accept);
        assert_eq!(board.drops().map(|(_, count)| count), [2, 1, 1]);
        assert_eq!(board.check().len(), 1);
        assert_eq!(board.alerts().len(), 1);
    }

    #[test]
    fn peers_are_ranked_by_the_metrics_named() {
        let board = MetricsBoard::new(PeerId::random());
        let (a, b, c) = (PeerId::random(), PeerId::random(), PeerId::random());
        for (peer, space) in [(a, 1), (b, 2), (c, 3)] {
            let value = space.to_string();
            board.on_metric(Metric {
                name: "freespace".to_owned(),
                weight: space,
                ..ping(peer, &value, HOUR)
            });
        }
        let by = ["freespace".to_owned()];
        let all = Placement::default();
        assert_eq!(board.rank(&by, all, |_| true), [c, b, a]);
        assert_eq!(board.rank(&by, Placement { blacklist: &[c], ..all }, |peer| *peer != a), [b]);
        let both = ["tag:group".to_owned(), "freespace".to_owned()];
        assert_eq!(board.rank(&both, all, |_| true), []);
    }
}
