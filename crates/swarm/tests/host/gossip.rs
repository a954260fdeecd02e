//! What is told to all.

use crate::harness::{Heard, Host, config, eventually, metric};
use cluster_core::ports::{Broadcast, Network};

/// Three hosts in a line: the ends refuse each other, so that what one hears of the other came through the middle.
async fn line() -> (Host, Host, Host) {
    let (a, b, c) = (Host::start(config()).await, Host::start(config()).await, Host::start(config()).await);
    a.swarm.forget(c.id());
    c.swarm.forget(a.id());
    a.meet(&b).await;
    c.meet(&b).await;
    a.listened_to_by(&b).await;
    b.listened_to_by(&a).await;
    b.listened_to_by(&c).await;
    c.listened_to_by(&b).await;
    (a, b, c)
}

#[tokio::test]
async fn metrics_and_heads_arrive_with_their_author() {
    let (a, b, c) = line().await;
    let told = metric(a.id(), "1");
    a.swarm.publish_metric(&told);
    a.swarm.publish_heads(b"heads".to_vec());
    for host in [&b, &c] {
        host.heard.wait("the metric", |heard| *heard == Heard::Metric(told.clone())).await;
        host.heard.wait("the heads", |heard| *heard == Heard::Heads(a.id(), b"heads".to_vec())).await;
    }
}

#[tokio::test]
async fn what_is_rejected_goes_no_further() {
    let (a, b, c) = line().await;
    a.swarm.publish_heads(b"bad".to_vec());
    b.heard.wait("the bad heads", |heard| *heard == Heard::Heads(a.id(), b"bad".to_vec())).await;
    a.swarm.publish_heads(b"good".to_vec());
    let good = Heard::Heads(a.id(), b"good".to_vec());
    c.heard.wait("the good heads", |heard| *heard == good).await;
    assert!(!c.heard.heard().contains(&Heard::Heads(a.id(), b"bad".to_vec())));
    assert_eq!(b.swarm.counters().rejected_heads.get(), 1);
}

#[tokio::test]
async fn a_metric_of_another_peer_is_forged() {
    let (a, b, c) = line().await;
    a.swarm.publish_metric(&metric(c.id(), "forged"));
    a.swarm.publish_metric(&metric(a.id(), "true"));
    let told = Heard::Metric(metric(a.id(), "true"));
    c.heard.wait("the true metric", |heard| *heard == told).await;
    eventually("rejected", || b.swarm.counters().rejected_metrics.get() == 1).await;
    for host in [&b, &c] {
        assert!(!host.heard.heard().contains(&Heard::Metric(metric(c.id(), "forged"))));
    }
}

/// As after a power cut: the connection of before is not known to be dead when the peer is back.
#[tokio::test]
async fn a_peer_that_comes_back_beside_its_old_connection_hears_and_is_heard() {
    let settings = config();
    let (a, before) = (Host::start(config()).await, Host::start(settings.clone()).await);
    before.meet(&a).await;
    a.listened_to_by(&before).await;
    let b = Host::start(settings).await;
    b.swarm.connect(a.id(), vec![a.address()]).await.unwrap();
    before.swarm.stop().await;
    b.listened_to_by(&a).await;
    b.swarm.publish_heads(b"heads".to_vec());
    a.heard.wait("the heads", |heard| *heard == Heard::Heads(b.id(), b"heads".to_vec())).await;
    a.swarm.publish_heads(b"answer".to_vec());
    b.heard.wait("the answer", |heard| *heard == Heard::Heads(a.id(), b"answer".to_vec())).await;
}

#[tokio::test]
async fn nobody_hears_what_is_said_alone_or_too_large() {
    let a = Host::start(config()).await;
    a.swarm.publish_heads(b"alone".to_vec());
    a.swarm.publish_heads(vec![0; (1 << 20) + 1]);
    eventually("both dropped", || a.swarm.counters().dropped_publishes.get() == 2).await;
}

#[tokio::test]
async fn a_peer_of_another_cluster_with_our_secret_is_noticed_on_both_sides() {
    let mut other = config();
    other.cluster_name = "other".into();
    let (a, b, c) = (Host::start(config()).await, Host::start(other).await, Host::start(config()).await);
    a.meet(&b).await;
    a.meet(&c).await;
    for host in [&a, &b] {
        eventually("noticed", || host.swarm.counters().foreign_topics.get() > 0).await;
    }
    assert_eq!(a.swarm.counters().foreign_topics.get(), 1, "one of the two shares the topic");
}
