//! One metric that is kept, and how large metrics may be.

use crate::{Metric, UnixMillis, metric::UnixNanos};

/// Peers that are kept.
pub const MAX_PEERS: usize = 10_000;

/// Metrics that are kept of one peer.
pub const MAX_NAMES: usize = 64;

/// Longest name, in bytes.
pub const MAX_NAME_LEN: usize = 256;

/// Longest value, in bytes.
pub const MAX_VALUE_LEN: usize = 64 * 1024;

/// Memory that all metrics may take together, in bytes, each counted with [`ENTRY_LEN`]. The four ordinary metrics of
/// [`MAX_PEERS`] peers take less than half.
pub const MAX_TOTAL_LEN: usize = 64 * 1024 * 1024;

/// What a metric takes beside its name and value, in bytes, generously.
pub const ENTRY_LEN: usize = 512;

/// Why a metric is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetricRefusal {
    /// Its name has no or more than [`MAX_NAME_LEN`] bytes.
    #[error("the name of a metric has {len} bytes instead of 1 to {MAX_NAME_LEN}")]
    NameLength {
        /// Bytes it has.
        len: usize,
    },
    /// Its value has more than [`MAX_VALUE_LEN`] bytes.
    #[error("the value of a metric has {len} bytes, but at most {MAX_VALUE_LEN} are possible")]
    ValueLength {
        /// Bytes it has.
        len: usize,
    },
    /// Its peer has [`MAX_NAMES`] metrics of other names.
    #[error("a peer has more than {MAX_NAMES} metrics")]
    TooManyNames,
    /// There are [`MAX_PEERS`] other peers.
    #[error("there are metrics of {MAX_PEERS} peers already")]
    TooManyPeers,
    /// The metrics of all peers would become larger than [`MAX_TOTAL_LEN`].
    #[error("the metrics of all peers take more than {MAX_TOTAL_LEN} bytes")]
    NoRoom,
}

impl MetricRefusal {
    /// Says whether the metric itself is bad, whatever else is kept.
    pub fn is_malformed(self) -> bool {
        matches!(self, Self::NameLength { .. } | Self::ValueLength { .. })
    }
}

/// The last metric of one name and peer.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) metric: Metric,
    /// Checks since it expired; the first one raised an alert.
    pub(super) failed_checks: u16,
}

impl Entry {
    pub(super) fn len(&self) -> usize {
        len_of(&self.metric)
    }
}

pub(super) fn len_of(metric: &Metric) -> usize {
    ENTRY_LEN + metric.name.len() + metric.value.len()
}

pub(super) fn check_size(metric: &Metric) -> Result<(), MetricRefusal> {
    match (metric.name.len(), metric.value.len()) {
        (len, _) if len == 0 || len > MAX_NAME_LEN => Err(MetricRefusal::NameLength { len }),
        (_, len) if len > MAX_VALUE_LEN => Err(MetricRefusal::ValueLength { len }),
        _ => Ok(()),
    }
}

pub(super) fn has_expired(metric: &Metric, now: UnixMillis) -> bool {
    metric.expires < UnixNanos::from_millis(now)
}
