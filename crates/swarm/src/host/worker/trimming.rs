//! Closes connections when there are too many.

use super::Worker;
use libp2p::swarm::ConnectionId;
use std::time::Instant;

impl Worker {
    /// Above the high water, closes idle connections that nobody protects, down to the low water: those that came
    /// from others first, of these the youngest past the grace period.
    pub(super) fn trim(&mut self, now: Instant) {
        if self.connections.len() <= self.limits.high_water {
            return;
        }
        let excess = self.connections.len().saturating_sub(self.limits.low_water);
        let streams = &self.swarm.behaviour().streams;
        let state = self.shared.state();
        let mut idle: Vec<(bool, Instant, ConnectionId)> = self
            .connections
            .iter()
            .filter(|(_, connection)| {
                now.saturating_duration_since(connection.since) >= self.limits.grace_period
            })
            .filter(|(_, connection)| {
                !state.book.is_kept(&connection.peer) && streams.in_use(&connection.peer) == 0
            })
            .map(|(id, connection)| (connection.inbound, connection.since, *id))
            .collect();
        drop(state);
        idle.sort_unstable_by(|a, b| b.cmp(a));
        for (_, _, connection) in idle.into_iter().take(excess) {
            self.shared.counters.trimmed_connections.increase();
            self.swarm.close_connection(connection);
        }
    }
}
