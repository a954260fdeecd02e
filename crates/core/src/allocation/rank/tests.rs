//! The order against one that follows the text of api §10.3 step by step, with a cursor in every partition.

use super::*;
use crate::metric::UnixNanos;
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

fn metric(peer: PeerId, value: &str, weight: i64, partitionable: bool) -> Metric {
    Metric {
        name: "any".to_owned(),
        peer,
        value: value.to_owned(),
        expires: UnixNanos(i64::MAX),
        valid: true,
        weight,
        partitionable,
        received_at: UnixNanos(0),
    }
}

/// Peers sorted by ID.
fn peers(n: usize) -> Vec<PeerId> {
    let mut peers: Vec<PeerId> = (0..n).map(|_| PeerId::random()).collect();
    peers.sort_by_key(|peer| peer.to_bytes());
    peers
}

fn ranked(metrics: &[Vec<Metric>]) -> Vec<PeerId> {
    rank(metrics, Placement::default(), |_| true)
}

fn tags(peers: &[PeerId], values: &[&str]) -> Vec<Metric> {
    peers.iter().zip(values).map(|(peer, value)| metric(*peer, value, 0, true)).collect()
}

fn space(peers: &[PeerId], bytes: &[i64]) -> Vec<Metric> {
    peers.iter().zip(bytes).map(|(peer, free)| metric(*peer, &free.to_string(), *free, false)).collect()
}

#[test]
fn groups_take_turns_and_the_one_with_more_space_begins() {
    let p = peers(5);
    let group = tags(&p, &["a", "a", "b", "b", "b"]);
    // Group a has 11, group b 10 altogether.
    let free = space(&p, &[5, 6, 1, 2, 7]);
    assert_eq!(ranked(&[group, free]), [p[1], p[4], p[0], p[3], p[2]]);
}

#[test]
fn equal_space_is_no_bucket_and_ties_go_by_value_and_then_by_id() {
    let p = peers(4);
    // Were the three that have 100 one partition, it would weigh 300 and go first.
    assert_eq!(ranked(&[space(&p, &[100, 100, 100, 200])]), [p[3], p[0], p[1], p[2]]);
    // Values compare as texts, after the weights.
    let odd = vec![metric(p[0], "9", 1, false), metric(p[1], "10", 1, false), metric(p[2], "8", 2, false)];
    assert_eq!(ranked(&[odd]), [p[2], p[1], p[0]]);
    // A tag alone: groups in the order of their values, peers of a group in the order of their IDs.
    assert_eq!(ranked(&[tags(&p, &["b", "a", "b", "a"])]), [p[1], p[0], p[3], p[2]]);
}

#[test]
fn only_peers_with_all_metrics_count_and_those_left_out_weigh_nothing() {
    let p = peers(5);
    let group = tags(&p, &["a", "a", "b", "b", "b"]);
    let free = space(&p[1..], &[10, 20, 30, 1000]);
    assert_eq!(ranked(&[group.clone(), free.clone()]), [p[4], p[1], p[3], p[2]]);
    let placement = Placement { blacklist: &p[4..], ..Placement::default() };
    let trusted = |peer: &PeerId| *peer != p[3];
    // Without the two last, b has 20 and a 10.
    assert_eq!(rank(&[group.clone(), free.clone()], placement, trusted), [p[2], p[1]]);
    assert_eq!(ranked(&[group, free, Vec::new()]), []);
    assert_eq!(ranked(&[]), []);
}

#[test]
fn priority_peers_come_first_in_the_balanced_order() {
    let p = peers(4);
    let free = space(&p, &[1, 2, 3, 4]);
    let priority = [p[0], p[2], PeerId::random()];
    let placement = Placement { priority: &priority, blacklist: &[] };
    assert_eq!(rank(&[free], placement, |_| true), [p[2], p[0], p[3], p[1]]);
}

#[test]
fn weights_of_the_greatest_size_add_up() {
    let p = peers(3);
    let heavy: Vec<Metric> = p.iter().map(|peer| metric(*peer, "same", i64::MAX, true)).collect();
    let light = space(&p, &[i64::MIN, 0, i64::MAX]);
    assert_eq!(ranked(&[heavy, light]), [p[2], p[1], p[0]]);
}

/// A partition as the text describes it.
struct Part {
    value: String,
    partitionable: bool,
    weight: i128,
    aggregated: i128,
    /// On the last level.
    peers: Vec<PeerId>,
    /// On all others.
    below: Option<Round>,
}

/// Sorted partitions with the place of the next choice.
struct Round {
    parts: Vec<Part>,
    next: usize,
}

fn find(metrics: &[Metric], peer: PeerId) -> Option<&Metric> {
    metrics.iter().find(|metric| metric.peer == peer)
}

fn divide(peers: &[PeerId], metrics: &[Vec<Metric>]) -> Round {
    let mut parts: Vec<Part> = Vec::new();
    for peer in peers {
        let metric = find(&metrics[0], *peer).unwrap();
        let group =
            parts.iter_mut().find(|p| metric.partitionable && p.partitionable && p.value == metric.value);
        if let Some(part) = group {
            part.weight += i128::from(metric.weight);
            part.peers.push(*peer);
        } else {
            parts.push(Part {
                value: metric.value.clone(),
                partitionable: metric.partitionable,
                weight: i128::from(metric.weight),
                aggregated: 0,
                peers: vec![*peer],
                below: None,
            });
        }
    }
    for part in &mut parts {
        part.aggregated = part.weight;
        if metrics.len() > 1 {
            let below = divide(&part.peers, &metrics[1..]);
            part.aggregated += below.parts.iter().map(|p| p.aggregated).sum::<i128>();
            part.below = Some(below);
        }
    }
    // Stable: peers came in the order of their IDs.
    parts.sort_by(|a, b| {
        (b.weight, b.aggregated).cmp(&(a.weight, a.aggregated)).then_with(|| a.value.cmp(&b.value))
    });
    Round { parts, next: 0 }
}

impl Round {
    fn choose(&mut self) -> Option<PeerId> {
        for _ in 0..self.parts.len() {
            let at = self.next;
            self.next = (at + 1) % self.parts.len();
            let part = &mut self.parts[at];
            let chosen = match &mut part.below {
                Some(below) => below.choose(),
                None => (!part.peers.is_empty()).then(|| part.peers.remove(0)),
            };
            if chosen.is_some() {
                return chosen;
            }
        }
        None
    }
}

fn by_the_text(metrics: &[Vec<Metric>], priority: &[PeerId], out: &[PeerId]) -> Vec<PeerId> {
    let mut peers: Vec<PeerId> = metrics[0].iter().map(|metric| metric.peer).collect();
    peers.retain(|peer| metrics.iter().all(|list| find(list, *peer).is_some()) && !out.contains(peer));
    peers.sort_by_key(|peer| peer.to_bytes());
    let mut ordered = Vec::new();
    for first in [true, false] {
        let part: Vec<PeerId> = peers.iter().filter(|p| priority.contains(p) == first).copied().collect();
        let mut round = divide(&part, metrics);
        ordered.extend(std::iter::from_fn(|| round.choose()));
    }
    ordered
}

fn seeded(random: &mut ChaCha8Rng) -> PeerId {
    let digest: [u8; 32] = random.random();
    PeerId::from_multihash(multihash::Multihash::wrap(0x12, &digest).unwrap()).unwrap()
}

#[test]
fn the_order_is_the_one_of_the_text() {
    for seed in 0..1500 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let p: Vec<PeerId> = (0..random.random_range(0..14)).map(|_| seeded(&mut random)).collect();
        let metrics: Vec<Vec<Metric>> = (0..random.random_range(1..4))
            .map(|_| {
                let partitionable = random.random_bool(0.5);
                let mut list = Vec::new();
                for peer in &p {
                    // Few values and weights, so that there are ties of every kind.
                    let value = ["a", "b", "c", "10", "9"][random.random_range(0..5)];
                    let weight = random.random_range(-2..3);
                    let mixed = partitionable != random.random_bool(0.05);
                    if random.random_bool(0.93) {
                        list.push(metric(*peer, value, weight, mixed));
                    }
                }
                list.shuffle(&mut random);
                list
            })
            .collect();
        let mut some = |chance| p.iter().filter(|_| random.random_bool(chance)).copied().collect::<Vec<_>>();
        let (priority, blacklist, untrusted) = (some(0.2), some(0.1), some(0.1));
        let placement = Placement { priority: &priority, blacklist: &blacklist };
        let out = [blacklist.as_slice(), untrusted.as_slice()].concat();
        assert_eq!(
            rank(&metrics, placement, |peer| !untrusted.contains(peer)),
            by_the_text(&metrics, &priority, &out),
            "seed {seed}"
        );
    }
}
