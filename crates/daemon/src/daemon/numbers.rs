//! Numbers for Prometheus: those of the pinset are read where they are kept when somebody asks, the others are counted where
//! they arise (api §11.1).

use cluster_core::{
    PeerId, TrackerStatus,
    ports::{Datastore, browse_api::Totals},
    tracker::InFlight,
};
use cluster_peer::{MetricsBoard, count};
use prometheus::{
    IntGauge, Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use std::sync::Arc;

/// Reads the totals of the pinset and of the tracker, and what the disk has room for.
pub(super) struct PinsetNumbers {
    store: Arc<dyn Datastore>,
    in_flight: InFlight,
    board: MetricsBoard,
    local: PeerId,
    gauges: Vec<(IntGauge, Source)>,
}

/// Where a number comes from.
#[derive(Debug, Clone, Copy)]
enum Source {
    Pins,
    Status(TrackerStatus),
    Disk,
}

/// Metrics of the disk, of which a peer has one (api §10.5).
const OF_DISK: [&str; 2] = ["freespace", "reposize"];

impl PinsetNumbers {
    /// Makes the numbers and registers them.
    ///
    /// # Errors
    /// When the registry has numbers of these names.
    pub(super) fn register(
        registry: &Registry,
        store: Arc<dyn Datastore>,
        in_flight: InFlight,
        board: MetricsBoard,
        local: PeerId,
    ) -> prometheus::Result<()> {
        let gauges = [
            ("pins", "Pins in the pinset", Source::Pins),
            ("pins_pin_queued", "Pins that wait on this peer", Source::Status(TrackerStatus::PinQueued)),
            (
                "pins_pinning",
                "Pins that this peer's IPFS daemon works on",
                Source::Status(TrackerStatus::Pinning),
            ),
            ("pins_pin_error", "Pins that failed on this peer", Source::Status(TrackerStatus::PinError)),
            (
                "pins_ipfs_pins",
                "Pins that this peer's IPFS daemon holds",
                Source::Status(TrackerStatus::Pinned),
            ),
            ("informer_disk", "What this peer told last of its disk, in bytes", Source::Disk),
        ];
        let gauges = gauges
            .into_iter()
            .map(|(name, help, source)| Ok((IntGauge::new(format!("ipfscluster_{name}"), help)?, source)))
            .collect::<prometheus::Result<_>>()?;
        registry.register(Box::new(Self { store, in_flight, board, local, gauges }))
    }

    fn disk(&self) -> i64 {
        let mut of_disk = OF_DISK.into_iter().flat_map(|name| self.board.metrics(name));
        of_disk.find(|metric| metric.peer == self.local).map_or(0, |metric| metric.weight)
    }
}

impl Collector for PinsetNumbers {
    fn desc(&self) -> Vec<&Desc> {
        self.gauges.iter().flat_map(|(gauge, _)| gauge.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // A store that fails has no numbers; the others are told all the same.
        let totals = count(&*self.store, &self.in_flight).ok();
        let families = self.gauges.iter().filter_map(|(gauge, source)| {
            gauge.set(match source {
                Source::Pins => sum(totals.as_ref()?.kinds.iter().map(|(_, total)| *total)),
                Source::Status(status) => sum(of_status(totals.as_ref()?, *status)),
                Source::Disk => self.disk(),
            });
            Some(gauge.collect())
        });
        families.flatten().collect()
    }
}

fn of_status(totals: &Totals, status: TrackerStatus) -> impl Iterator<Item = u64> + '_ {
    totals.statuses.iter().filter(move |(other, _)| *other == status).map(|(_, total)| *total)
}

fn sum(totals: impl Iterator<Item = u64>) -> i64 {
    i64::try_from(totals.sum::<u64>()).unwrap_or(i64::MAX)
}
