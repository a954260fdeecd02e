//! The gossip: its parameters, topics and message IDs (wire-protocol §3).

use super::{config::PubsubConfig, error::SwarmError};
use libp2p::{
    gossipsub::{
        Behaviour, Config, ConfigBuilder, IdentTopic, IdentityTransform, MaxCountSubscriptionFilter, Message,
        MessageAuthenticity, MessageId, ValidationMode, WhitelistSubscriptionFilter,
    },
    identity::Keypair,
};
use md5::{Digest, Md5};
use std::time::Duration;

/// The behaviour with the filter that keeps out topics of others.
pub(super) type Gossip =
    Behaviour<IdentityTransform, MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>>;

/// Topic of the metrics.
pub(super) const METRICS_TOPIC: &str = "monitor.metrics";

/// Bytes of one frame of the gossip, both ways.
pub(super) const MAX_FRAME: usize = 1 << 20;

/// Messages that may wait for one slow peer; more are dropped for that peer.
const QUEUE_PER_PEER: usize = 128;

/// Subscriptions in one frame; a frame with more is ignored.
const MAX_SUBSCRIPTIONS_PER_FRAME: usize = 100;

/// Multihash code and length before an MD5.
const MD5_MULTIHASH: [u8; 3] = [0xd5, 0x01, 0x10];

/// Names the topic of the heads of a cluster (wire-protocol §3.4).
pub fn heads_topic(cluster_name: &str) -> String {
    let mut multihash = MD5_MULTIHASH.to_vec();
    multihash.extend_from_slice(&Md5::digest(cluster_name.as_bytes()));
    bs58::encode(multihash).into_string()
}

/// Builds the ID of a message as Go's peers do (wire-protocol §3.3).
pub(super) fn message_id(message: &Message) -> MessageId {
    let mut id: Vec<u8> = message.source.map(|source| source.to_bytes()).unwrap_or_default();
    id.truncate(16);
    id.extend_from_slice(&message.sequence_number.unwrap_or_default().to_be_bytes());
    MessageId(id)
}

fn setup(cause: impl std::fmt::Display) -> SwarmError {
    SwarmError::Setup { part: "gossip", cause: cause.to_string() }
}

/// Chooses the parameters. A follower exchanges no peers (api §10.8).
fn parameters(config: &PubsubConfig, follower: bool) -> Result<Config, SwarmError> {
    let d = config.d_factor.max(1);
    let mut builder = ConfigBuilder::default();
    builder
        .heartbeat_interval(config.heartbeat_interval)
        .heartbeat_initial_delay(Duration::from_millis(100))
        .mesh_n(6 * d)
        .mesh_n_low(5 * d)
        .mesh_n_high(12 * d)
        .retain_scores(4 * d)
        .mesh_outbound_min(2 * d)
        .gossip_lazy(6 * d)
        .history_length(config.history_length)
        .history_gossip(config.history_gossip)
        .duplicate_cache_time(config.seen_messages_ttl)
        .flood_publish(config.flood_publish)
        .max_transmit_size(MAX_FRAME)
        .max_control_message_size(MAX_FRAME)
        .max_control_messages_sent(10_000)
        .connection_handler_queue_len(QUEUE_PER_PEER)
        .validate_messages()
        .validation_mode(ValidationMode::Strict)
        .message_id_fn(message_id);
    if !follower {
        builder.do_px().prune_peers(16);
    }
    builder.build().map_err(setup)
}

/// Builds the behaviour.
pub(super) fn build(
    keypair: &Keypair,
    config: &PubsubConfig,
    follower: bool,
    topics: &[IdentTopic],
) -> Result<Gossip, SwarmError> {
    let settings = parameters(config, follower)?;
    let filter = MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(topics.iter().map(IdentTopic::hash).collect()),
        max_subscribed_topics: topics.len(),
        max_subscriptions_per_request: MAX_SUBSCRIPTIONS_PER_FRAME,
    };
    let mut gossip =
        Gossip::new_with_subscription_filter(MessageAuthenticity::Signed(keypair.clone()), settings, filter)
            .map_err(setup)?;
    for topic in topics {
        gossip.subscribe(topic).map_err(setup)?;
    }
    Ok(gossip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_exchanges_no_peers() {
        let exchanges = |follower| {
            let parameters = parameters(&PubsubConfig::default(), follower).unwrap();
            (parameters.do_px(), parameters.validate_messages())
        };
        assert_eq!(exchanges(false), (true, true));
        assert_eq!(exchanges(true), (false, true));
    }
}
