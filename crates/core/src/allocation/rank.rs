//! The balanced order of peers (api §10.3).

use crate::Metric;
use libp2p_identity::PeerId;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

/// Whom to prefer and whom to leave out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Placement<'a> {
    /// Peers that the user wants: before all others, among themselves in the balanced order.
    pub priority: &'a [PeerId],
    /// Peers to leave out.
    pub blacklist: &'a [PeerId],
}

/// Metrics of one name by peer.
type Level<'a> = BTreeMap<PeerId, &'a Metric>;

/// Ranks the peers that could take a pin, best first.
///
/// `metrics` holds one list for each name of `allocate_by`, in that order, with the latest metric of each peer that
/// counts; only peers with a metric in **every** list are ranked, of them those that `admit` lets pass. Of two metrics
/// of a peer in one list the later stands. What weights and values leave open is settled by binary peer ID.
pub fn rank(
    metrics: &[Vec<Metric>],
    placement: Placement<'_>,
    admit: impl Fn(&PeerId) -> bool,
) -> Vec<PeerId> {
    let levels: Vec<Level<'_>> =
        metrics.iter().map(|list| list.iter().map(|m| (m.peer, m)).collect()).collect();
    let Some((first, rest)) = levels.split_first() else { return Vec::new() };
    let blacklist: BTreeSet<&PeerId> = placement.blacklist.iter().collect();
    let priority: BTreeSet<&PeerId> = placement.priority.iter().collect();
    let usable = |p: &&PeerId| rest.iter().all(|l| l.contains_key(*p)) && !blacklist.contains(*p) && admit(p);
    let (wanted, others): (Vec<PeerId>, Vec<PeerId>) =
        first.keys().filter(usable).copied().partition(|peer| priority.contains(peer));
    let mut ranked = balanced(wanted, &levels);
    ranked.extend(balanced(others, &levels));
    ranked
}

/// Peers that stand for one value of a metric, or one peer alone.
struct Partition {
    /// What puts it before others: weight, aggregated weight, value, first peer.
    key: (Reverse<i128>, Reverse<i128>, String, PeerId),
    peers: Vec<PeerId>,
}

/// Orders peers, which come sorted by ID and have a metric on every level.
fn balanced(peers: Vec<PeerId>, levels: &[Level<'_>]) -> Vec<PeerId> {
    let Some((level, below)) = levels.split_first() else { return peers };
    let mut groups: BTreeMap<(Option<PeerId>, &str), Vec<PeerId>> = BTreeMap::new();
    for peer in peers {
        let Some(metric) = level.get(&peer) else { continue };
        let alone = (!metric.partitionable).then_some(peer);
        groups.entry((alone, &metric.value)).or_default().push(peer);
    }
    let mut partitions: Vec<Partition> = groups
        .into_iter()
        .filter_map(|((_, value), peers)| {
            let first = *peers.first()?;
            let own = weight(&peers, level);
            // Weights add up, so that a partition's aggregate is what its peers weigh here and on all levels below.
            let aggregated = own + below.iter().map(|level| weight(&peers, level)).sum::<i128>();
            let key = (Reverse(own), Reverse(aggregated), value.to_owned(), first);
            Some(Partition { key, peers: balanced(peers, below) })
        })
        .collect();
    partitions.sort_by(|a, b| a.key.cmp(&b.key));
    in_turns(partitions)
}

fn weight(peers: &[PeerId], level: &Level<'_>) -> i128 {
    peers.iter().filter_map(|peer| level.get(peer)).map(|metric| i128::from(metric.weight)).sum()
}

/// Takes one peer of each partition after the other, again and again, until all are taken.
fn in_turns(partitions: Vec<Partition>) -> Vec<PeerId> {
    let mut left: Vec<_> = partitions.into_iter().map(|partition| partition.peers.into_iter()).collect();
    let mut ordered = Vec::new();
    while !left.is_empty() {
        left.retain_mut(|peers| peers.next().map(|peer| ordered.push(peer)).is_some());
    }
    ordered
}

#[cfg(test)]
mod tests;
