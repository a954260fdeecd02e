//! Tells the operator about peers that share the secret, but not the pinset.

use super::counters::SwarmCounters;
use cluster_core::PeerId;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a peer may take from listening to metrics to listening to heads; Go's do both as they start.
const PATIENCE: Duration = Duration::from_secs(10);

/// Peers named in the log; whoever has more of them has read it.
const MAX_TOLD: usize = 100;

/// Warns once of each peer that listens to metrics and not to the heads of this cluster.
#[derive(Debug)]
pub(super) struct TopicAlarm {
    /// Peers that listen to metrics, since when, until they were looked at.
    waiting: HashMap<PeerId, Instant>,
    told: HashSet<PeerId>,
    counters: Arc<SwarmCounters>,
}

impl TopicAlarm {
    pub(super) fn new(counters: Arc<SwarmCounters>) -> Self {
        Self { waiting: HashMap::new(), told: HashSet::new(), counters }
    }

    /// Notes that a peer listens to metrics.
    pub(super) fn on_metrics(&mut self, peer: PeerId, now: Instant) {
        if !self.told.contains(&peer) {
            self.waiting.entry(peer).or_insert(now);
        }
    }

    /// Notes that the last connection to a peer is gone.
    pub(super) fn on_disconnected(&mut self, peer: &PeerId) {
        self.waiting.remove(peer);
    }

    /// Hands out the peers that had time enough; each is to be looked at now.
    pub(super) fn due(&mut self, now: Instant) -> HashSet<PeerId> {
        self.waiting
            .extract_if(|_, since| now.saturating_duration_since(*since) >= PATIENCE)
            .map(|(p, _)| p)
            .collect()
    }

    /// Warns of a peer that listens to metrics alone.
    pub(super) fn warn(&mut self, peer: PeerId) {
        if self.told.len() < MAX_TOLD && self.told.insert(peer) {
            self.counters.foreign_topics.increase();
            tracing::warn!(
                target: "swarm",
                %peer,
                "a peer has our secret but takes no part in our pinset: its cluster_name is another one than ours \
                 (consensus.crdt.cluster_name), or its consensus is another one"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_looked_at_once_after_a_while_and_named_once() {
        let mut alarm = TopicAlarm::new(Arc::default());
        let (start, [a, b]) = (Instant::now(), [PeerId::random(), PeerId::random()]);
        alarm.on_metrics(a, start);
        alarm.on_metrics(b, start + Duration::from_secs(1));
        alarm.on_metrics(a, start + Duration::from_secs(9));
        assert!(alarm.due(start + Duration::from_secs(9)).is_empty());
        assert_eq!(alarm.due(start + PATIENCE), [a].into());
        alarm.on_disconnected(&b);
        assert!(alarm.due(start + 2 * PATIENCE).is_empty());
        alarm.warn(a);
        alarm.warn(a);
        assert_eq!(alarm.counters.foreign_topics.get(), 1);
        alarm.on_metrics(a, start);
        assert!(alarm.due(start + 3 * PATIENCE).is_empty());
    }
}
