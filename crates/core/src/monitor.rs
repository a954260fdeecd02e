//! What is known of the health of all peers: their last metrics, and alerts about those that expired (api §10.5).
//!
//! Pure: the time comes in. Everything here is bounded, since any peer of the swarm may send metrics.

mod entry;

pub use entry::{ENTRY_LEN, MAX_NAME_LEN, MAX_NAMES, MAX_PEERS, MAX_TOTAL_LEN, MAX_VALUE_LEN, MetricRefusal};

use crate::{
    Metric, UnixMillis,
    metric::{PING, UnixNanos},
    ports::cluster_api::Alert,
};
use entry::Entry;
use libp2p_identity::PeerId;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

/// Alerts kept; the oldest go first.
pub const MAX_ALERTS: usize = 1000;

/// Checks that an expired metric outlives.
pub const MAX_FAILED_CHECKS: u16 = 300;

/// How far ahead an expiry may lie. What claims more comes from a wrong clock, and would hide the death of its peer.
pub const FARTHEST_EXPIRY: Duration = Duration::from_secs(24 * 3600);

/// How a metric was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// As it is.
    Fresh,
    /// It said to hold for longer than [`FARTHEST_EXPIRY`], which it does not: the clock of its peer is ahead of ours.
    Shortened,
    /// It had expired when it arrived: the clock of its peer is behind ours, or the metric was long on the way.
    Late,
}

/// Counts of metrics that were not taken as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MonitorCounts {
    /// Refused since they are too large or too many.
    pub refused: u64,
    /// [`Taken::Shortened`].
    pub shortened: u64,
    /// [`Taken::Late`].
    pub late: u64,
}

/// The last metric of each name and peer.
#[derive(Debug, Clone, Default)]
pub struct Monitor {
    /// The order of peer IDs is that of their bytes.
    peers: BTreeMap<PeerId, BTreeMap<String, Entry>>,
    /// Memory taken by all metrics, in bytes.
    total_len: usize,
    /// Newest first.
    alerts: VecDeque<Alert>,
    counts: MonitorCounts,
}

impl Monitor {
    /// Takes in a metric that arrived at `now`. It replaces the last one of its name and peer, except that one which
    /// has expired already never replaces one that counts.
    ///
    /// # Errors
    /// When it is too large, or when there is no room for another peer or name; that is counted.
    pub fn insert(&mut self, mut metric: Metric, now: UnixMillis) -> Result<Taken, MetricRefusal> {
        let old = self.peers.get(&metric.peer).and_then(|names| names.get(&metric.name));
        let total_len = match self.check_room(&metric, old) {
            Ok(total_len) => total_len,
            Err(refusal) => {
                self.counts.refused += 1;
                return Err(refusal);
            }
        };
        metric.received_at = UnixNanos::from_millis(now);
        let farthest = UnixNanos::from_millis(now.plus(FARTHEST_EXPIRY));
        let mut taken = Taken::Fresh;
        if metric.expires > farthest {
            metric.expires = farthest;
            self.counts.shortened += 1;
            taken = Taken::Shortened;
        } else if entry::has_expired(&metric, now) {
            self.counts.late += 1;
            taken = Taken::Late;
            if old.is_some_and(|old| old.metric.counts_at(now)) {
                return Ok(taken);
            }
        }
        // An alert was raised for what this replaces, and is again only after something that counted.
        let failed_checks = if metric.counts_at(now) { 0 } else { old.map_or(0, |old| old.failed_checks) };
        self.total_len = total_len;
        let names = self.peers.entry(metric.peer).or_default();
        names.insert(metric.name.clone(), Entry { metric, failed_checks });
        Ok(taken)
    }

    /// Returns the memory taken by all metrics when this one is in.
    fn check_room(&self, metric: &Metric, old: Option<&Entry>) -> Result<usize, MetricRefusal> {
        entry::check_size(metric)?;
        let names = self.peers.get(&metric.peer).map(BTreeMap::len);
        if old.is_none() && names.is_some_and(|names| names >= MAX_NAMES) {
            return Err(MetricRefusal::TooManyNames);
        }
        if names.is_none() && self.peers.len() >= MAX_PEERS {
            return Err(MetricRefusal::TooManyPeers);
        }
        let rest = self.total_len - old.map_or(0, Entry::len);
        let total_len = rest + entry::len_of(metric);
        if total_len > MAX_TOTAL_LEN { Err(MetricRefusal::NoRoom) } else { Ok(total_len) }
    }

    /// Returns the last metric of each peer that counts now, sorted by binary peer ID.
    pub fn latest(&self, name: &str, now: UnixMillis) -> Vec<Metric> {
        self.counting(name, now).cloned().collect()
    }

    /// Returns the peers with a ping that counts now, sorted by binary peer ID.
    pub fn members(&self, now: UnixMillis) -> Vec<PeerId> {
        self.counting(PING, now).map(|ping| ping.peer).collect()
    }

    /// Returns the last metric of one name and peer, whether it counts or not.
    pub fn last(&self, name: &str, peer: &PeerId) -> Option<&Metric> {
        Some(&self.peers.get(peer)?.get(name)?.metric)
    }

    fn counting(&self, name: &str, now: UnixMillis) -> impl Iterator<Item = &Metric> {
        let entries = self.peers.values().filter_map(move |names| names.get(name));
        entries.map(|entry| &entry.metric).filter(move |metric| metric.counts_at(now))
    }

    /// Lists the names of all metrics that are not forgotten, sorted.
    pub fn names(&self) -> Vec<String> {
        let names: BTreeSet<&String> = self.peers.values().flat_map(BTreeMap::keys).collect();
        names.into_iter().cloned().collect()
    }

    /// Forgets the metrics of a peer, so that it raises no alerts.
    pub fn forget(&mut self, peer: &PeerId) {
        let names = self.peers.remove(peer).unwrap_or_default();
        self.total_len -= names.values().map(Entry::len).sum::<usize>();
    }

    /// Looks for metrics that have expired and returns an alert for each that had none yet. After
    /// [`MAX_FAILED_CHECKS`] checks an expired metric is forgotten.
    pub fn check(&mut self, now: UnixMillis) -> Vec<Alert> {
        let mut raised = Vec::new();
        let total_len = &mut self.total_len;
        self.peers.retain(|_, names| {
            names.retain(|_, entry| {
                if !entry::has_expired(&entry.metric, now) {
                    return true;
                }
                if entry.failed_checks == 0 {
                    raised.push(Alert { metric: entry.metric.clone(), triggered_at: now });
                }
                entry.failed_checks += 1;
                let stays = entry.failed_checks < MAX_FAILED_CHECKS;
                *total_len -= if stays { 0 } else { entry.len() };
                stays
            });
            !names.is_empty()
        });
        for alert in &raised {
            self.alerts.push_front(alert.clone());
        }
        self.alerts.truncate(MAX_ALERTS);
        raised
    }

    /// Lists the alerts, newest first.
    pub fn alerts(&self) -> Vec<Alert> {
        self.alerts.iter().cloned().collect()
    }

    /// Returns what was counted so far.
    pub fn counts(&self) -> MonitorCounts {
        self.counts
    }
}

#[cfg(test)]
mod tests;
