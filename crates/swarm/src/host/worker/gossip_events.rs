//! What the gossip brings and takes.

use super::Worker;
use cluster_core::{
    PeerId,
    ports::swarm::{PeerEvent, Verdict},
};
use libp2p::{
    core::ConnectedPoint,
    gossipsub::{Event, Message, MessageAcceptance, TopicHash},
    swarm::{ConnectionId, FromSwarm, NetworkBehaviour, behaviour::ConnectionEstablished},
};
use std::time::Instant;

/// Bytes of one metric; Go's are a few hundred.
const MAX_METRIC: usize = 64 * 1024;

impl Worker {
    pub(super) fn publish(&mut self, topic: TopicHash, payload: Vec<u8>) {
        if let Err(error) = self.swarm.behaviour_mut().gossip.publish(topic, payload) {
            // Nobody listens, or all are slow: what is told now is told again later.
            self.shared.counters.dropped_publishes.increase();
            tracing::trace!(target: "swarm", %error, "not published");
        }
    }

    /// Tells a peer our topics although it is connected. The gossip tells them on the first connection alone; a peer that
    /// lost its power comes back before that one is known to be dead, and would publish to nobody. It is called when
    /// another connection comes, and when one of several ends: what was told between may have gone into the dead one.
    pub(super) fn tell_topics_again(
        &mut self,
        peer_id: PeerId,
        connection_id: ConnectionId,
        endpoint: &ConnectedPoint,
    ) {
        let as_if_first = ConnectionEstablished {
            peer_id,
            connection_id,
            endpoint,
            failed_addresses: &[],
            other_established: 0,
        };
        self.swarm.behaviour_mut().gossip.on_swarm_event(FromSwarm::ConnectionEstablished(as_if_first));
    }

    pub(super) fn on_gossip(&mut self, event: Event) {
        match event {
            Event::Message { propagation_source, message_id, message } => {
                let acceptance = match self.judge(&message) {
                    Verdict::Accept => MessageAcceptance::Accept,
                    Verdict::Ignore => MessageAcceptance::Ignore,
                    Verdict::Reject => MessageAcceptance::Reject,
                };
                // The verdict is about the peer that passed it on; the author was judged above.
                self.swarm.behaviour_mut().gossip.report_message_validation_result(
                    &message_id,
                    &propagation_source,
                    acceptance,
                );
            }
            Event::Subscribed { peer_id, topic, .. } if topic == self.metrics => {
                self.topics.on_metrics(peer_id, Instant::now());
                self.listener.on_peer(PeerEvent::ListensToMetrics(peer_id));
            }
            _ => {}
        }
    }

    /// Warns of peers that listen to metrics and, after a while, still not to our heads.
    pub(super) fn look_at_topics(&mut self, now: Instant) {
        let due = self.topics.due(now);
        if due.is_empty() {
            return;
        }
        let mut foreign = Vec::new();
        for (peer, topics) in self.swarm.behaviour().gossip.all_peers() {
            if due.contains(peer) && !topics.contains(&&self.heads) {
                foreign.push(*peer);
            }
        }
        for peer in foreign {
            self.topics.warn(peer);
        }
    }

    fn judge(&self, message: &Message) -> Verdict {
        let counters = &self.shared.counters;
        let (verdict, rejected) = match message.source {
            Some(author) if message.topic == self.heads => {
                (self.listener.on_heads(author, &message.data), &counters.rejected_heads)
            }
            Some(author) if message.topic == self.metrics => {
                (self.judge_metric(author, &message.data), &counters.rejected_metrics)
            }
            _ => (Verdict::Ignore, &counters.ignored_gossip),
        };
        match verdict {
            Verdict::Accept => {}
            Verdict::Ignore => counters.ignored_gossip.increase(),
            Verdict::Reject => rejected.increase(),
        }
        verdict
    }

    fn judge_metric(&self, author: PeerId, payload: &[u8]) -> Verdict {
        if payload.len() > MAX_METRIC {
            return Verdict::Reject;
        }
        match (self.decode_metric)(payload) {
            // Go sends only its own: one of another peer is forged (wire-protocol §3.5).
            Some(metric) if metric.peer == author => self.listener.on_metric(metric),
            _ => Verdict::Reject,
        }
    }
}
