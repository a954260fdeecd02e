use super::*;

const TTL: Duration = Duration::from_secs(30);
const START: UnixMillis = UnixMillis(1_700_000_000_000);

fn at(seconds: u64) -> UnixMillis {
    START.plus(Duration::from_secs(seconds))
}

/// A metric told at `told` for [`TTL`].
fn metric(name: &str, peer: PeerId, told: UnixMillis) -> Metric {
    Metric {
        name: name.to_owned(),
        peer,
        value: "1".to_owned(),
        expires: UnixNanos::from_millis(told.plus(TTL)),
        valid: true,
        weight: 1,
        partitionable: false,
        received_at: UnixNanos(0),
    }
}

fn peers(n: usize) -> Vec<PeerId> {
    let mut peers: Vec<PeerId> = (0..n).map(|_| PeerId::random()).collect();
    peers.sort_by_key(|peer| peer.to_bytes());
    peers
}

fn names_of(alerts: &[Alert]) -> Vec<&str> {
    alerts.iter().map(|alert| alert.metric.name.as_str()).collect()
}

#[test]
fn a_metric_counts_until_it_expires_and_the_last_one_stands() {
    let p = peers(2);
    let mut monitor = Monitor::default();
    assert_eq!(monitor.insert(metric(PING, p[1], at(0)), at(1)), Ok(Taken::Fresh));
    assert_eq!(monitor.insert(metric(PING, p[0], at(5)), at(6)), Ok(Taken::Fresh));
    assert_eq!(monitor.members(at(30)), p);
    assert_eq!(monitor.members(at(31)), p[..1]);
    assert_eq!(monitor.last(PING, &p[1]).map(|last| last.peer), Some(p[1]));
    assert_eq!(monitor.last("other", &p[1]), None);
    let newer = Metric { value: "2".to_owned(), ..metric(PING, p[0], at(15)) };
    monitor.insert(newer.clone(), at(16)).unwrap();
    let arrived = UnixNanos::from_millis(at(16));
    assert_eq!(monitor.latest(PING, at(40)), [Metric { received_at: arrived, ..newer }]);
    assert_eq!(monitor.latest("other", at(40)), []);
    // The last one says that it does not hold: what came before does not stand in for it.
    monitor.insert(Metric { valid: false, ..metric(PING, p[0], at(20)) }, at(20)).unwrap();
    assert_eq!(monitor.members(at(21)), p[1..]);
}

#[test]
fn peers_come_in_the_order_of_their_bytes_whatever_kind_of_key_they_have() {
    let hashed = multihash::Multihash::wrap(0x12, &[0; 32]).unwrap();
    let mut all = peers(20);
    all.push(PeerId::from_multihash(hashed).unwrap());
    let mut monitor = Monitor::default();
    for peer in all.iter().rev() {
        monitor.insert(metric(PING, *peer, at(0)), at(0)).unwrap();
    }
    all.sort_by_key(|peer| peer.to_bytes());
    assert_eq!(monitor.members(at(1)), all);
    assert_eq!(monitor.latest(PING, at(1)).iter().map(|m| m.peer).collect::<Vec<_>>(), all);
}

#[test]
fn names_are_sorted_and_a_peer_can_be_forgotten() {
    let p = peers(2);
    let mut monitor = Monitor::default();
    for (name, peer) in [("tag:group", p[0]), (PING, p[0]), (PING, p[1]), ("freespace", p[1])] {
        monitor.insert(metric(name, peer, at(0)), at(0)).unwrap();
    }
    assert_eq!(monitor.names(), ["freespace", PING, "tag:group"]);
    monitor.forget(&p[0]);
    monitor.forget(&p[0]);
    assert_eq!(monitor.names(), ["freespace", PING]);
    assert_eq!(names_of(&monitor.check(at(60))), ["freespace", PING]);
}

#[test]
fn one_alert_per_metric_and_again_after_a_valid_one() {
    let p = peers(2);
    let mut monitor = Monitor::default();
    monitor.insert(metric(PING, p[0], at(0)), at(0)).unwrap();
    monitor.insert(metric("freespace", p[0], at(0)), at(0)).unwrap();
    monitor.insert(metric(PING, p[1], at(15)), at(15)).unwrap();
    assert_eq!(monitor.check(at(30)), []);
    let first = monitor.check(at(31));
    assert_eq!(names_of(&first), ["freespace", PING]);
    assert!(first.iter().all(|alert| alert.metric.peer == p[0] && alert.triggered_at == at(31)));
    assert_eq!(monitor.check(at(45)), []);
    // One that was late does not count, so nothing got better or worse.
    assert_eq!(monitor.insert(metric(PING, p[0], at(10)), at(45)), Ok(Taken::Late));
    assert_eq!(monitor.check(at(45)), []);
    monitor.insert(metric(PING, p[0], at(46)), at(46)).unwrap();
    assert_eq!(names_of(&monitor.check(at(60))), [PING], "that of the other peer");
    let again = monitor.check(at(77));
    assert_eq!((names_of(&again), again[0].metric.peer), (vec![PING], p[0]));
    // Newest first.
    let all: Vec<UnixMillis> = monitor.alerts().iter().map(|alert| alert.triggered_at).collect();
    assert_eq!(all, [at(77), at(60), at(31), at(31)]);
}

#[test]
fn what_stays_expired_is_forgotten() {
    let p = peers(1);
    let mut monitor = Monitor::default();
    monitor.insert(metric(PING, p[0], at(0)), at(0)).unwrap();
    let alerts: usize = (0..u64::from(MAX_FAILED_CHECKS))
        .map(|n| {
            assert_eq!(monitor.names(), [PING], "check {n}");
            monitor.check(at(31 + n)).len()
        })
        .sum();
    assert_eq!(alerts, 1);
    assert_eq!(monitor.names(), [""; 0]);
    assert_eq!((monitor.peers.len(), monitor.total_len), (0, 0));
    assert_eq!(monitor.check(at(10_000)), []);
    // It is a new one when it comes back.
    monitor.insert(metric(PING, p[0], at(20_000)), at(20_000)).unwrap();
    assert_eq!(monitor.check(at(20_031)).len(), 1);
}

#[test]
fn a_late_metric_does_not_replace_one_that_counts() {
    let p = peers(1);
    let mut monitor = Monitor::default();
    monitor.insert(metric(PING, p[0], at(100)), at(100)).unwrap();
    assert_eq!(monitor.insert(metric(PING, p[0], at(10)), at(101)), Ok(Taken::Late));
    assert_eq!(monitor.members(at(101)), p);
    // It is kept when there is nothing better, and alerted about.
    assert_eq!(monitor.insert(metric("x", p[0], at(10)), at(101)), Ok(Taken::Late));
    assert_eq!(monitor.latest("x", at(101)), []);
    assert_eq!(names_of(&monitor.check(at(101))), ["x"]);
    assert_eq!(monitor.counts(), MonitorCounts { late: 2, ..MonitorCounts::default() });
}

#[test]
fn no_metric_holds_for_longer_than_a_day() {
    let p = peers(1);
    let mut monitor = Monitor::default();
    let day = FARTHEST_EXPIRY.as_secs();
    let long = |seconds| Metric { expires: UnixNanos::from_millis(at(seconds)), ..metric(PING, p[0], at(0)) };
    assert_eq!(monitor.insert(long(day), at(0)), Ok(Taken::Fresh));
    assert_eq!(monitor.insert(long(day + 1), at(0)), Ok(Taken::Shortened));
    let forever = Metric { expires: UnixNanos(i64::MAX), ..metric(PING, p[0], at(0)) };
    assert_eq!(monitor.insert(forever, at(0)), Ok(Taken::Shortened));
    assert_eq!(monitor.counts().shortened, 2);
    assert_eq!(monitor.members(at(day)), p);
    assert_eq!(monitor.members(at(day + 1)), []);
    assert_eq!(monitor.check(at(day + 1)).len(), 1);
}

#[test]
fn a_flood_of_names_is_refused_and_harms_nobody_else() {
    let p = peers(2);
    let mut monitor = Monitor::default();
    for n in 0..MAX_NAMES {
        monitor.insert(metric(&format!("n{n}"), p[0], at(0)), at(0)).unwrap();
    }
    let refused = monitor.insert(metric("one more", p[0], at(0)), at(0));
    assert_eq!(refused, Err(MetricRefusal::TooManyNames));
    assert_eq!(monitor.insert(metric("n0", p[0], at(1)), at(1)), Ok(Taken::Fresh));
    assert_eq!(monitor.insert(metric("one more", p[1], at(0)), at(0)), Ok(Taken::Fresh));
    assert_eq!(monitor.counts(), MonitorCounts { refused: 1, ..MonitorCounts::default() });
}

#[test]
fn large_metrics_are_refused_and_the_sum_of_all_is_bounded() {
    let mut monitor = Monitor::default();
    let large = |peer, len| Metric { value: "v".repeat(len), ..metric("n", peer, at(0)) };
    let p = PeerId::random();
    assert_eq!(monitor.insert(metric("", p, at(0)), at(0)), Err(MetricRefusal::NameLength { len: 0 }));
    let long = "n".repeat(MAX_NAME_LEN + 1);
    let refused = monitor.insert(metric(&long, p, at(0)), at(0)).unwrap_err();
    assert!(refused.is_malformed());
    let refused = monitor.insert(large(p, MAX_VALUE_LEN + 1), at(0)).unwrap_err();
    assert_eq!(refused, MetricRefusal::ValueLength { len: MAX_VALUE_LEN + 1 });
    let mut held = Vec::new();
    let refusal = loop {
        let peer = PeerId::random();
        match monitor.insert(large(peer, MAX_VALUE_LEN), at(0)) {
            Ok(_) => held.push(peer),
            Err(refusal) => break refusal,
        }
    };
    assert_eq!((refusal, refusal.is_malformed()), (MetricRefusal::NoRoom, false));
    assert_eq!(held.len(), MAX_TOTAL_LEN / (MAX_VALUE_LEN + 1 + ENTRY_LEN));
    // Who is in can tell more of the same, and what is forgotten makes room.
    assert_eq!(monitor.insert(large(held[0], MAX_VALUE_LEN), at(1)), Ok(Taken::Fresh));
    monitor.forget(&held[0]);
    assert_eq!(monitor.insert(large(p, MAX_VALUE_LEN), at(1)), Ok(Taken::Fresh));
}

#[test]
fn peers_and_alerts_are_bounded() {
    let mut monitor = Monitor::default();
    for _ in 0..MAX_PEERS {
        monitor.insert(metric(PING, PeerId::random(), at(0)), at(0)).unwrap();
    }
    let refused = monitor.insert(metric(PING, PeerId::random(), at(0)), at(0));
    assert_eq!(refused, Err(MetricRefusal::TooManyPeers));
    assert_eq!(monitor.check(at(31)).len(), MAX_PEERS);
    assert_eq!(monitor.alerts().len(), MAX_ALERTS);
    let known = *monitor.peers.keys().next().unwrap();
    monitor.insert(metric(PING, known, at(40)), at(40)).unwrap();
    monitor.check(at(71));
    let alerts = monitor.alerts();
    assert_eq!((alerts.len(), alerts[0].metric.peer), (MAX_ALERTS, known));
}
