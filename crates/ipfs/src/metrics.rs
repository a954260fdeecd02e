//! Numbers of the connector for Prometheus, under the names that dashboards for the Go suite use (api §11.1).

use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, core::Collector};
use std::time::Duration;

/// What names of requests start with.
const CLIENT: &str = "ipfscluster_opencensus_io_http_client_";

/// Upper ends of the classes of times, in milliseconds.
const MILLISECONDS: [f64; 20] = [
    1.0,
    2.0,
    5.0,
    10.0,
    20.0,
    50.0,
    100.0,
    200.0,
    500.0,
    1000.0,
    2000.0,
    5000.0,
    10_000.0,
    20_000.0,
    50_000.0,
    100_000.0,
    200_000.0,
    500_000.0,
    1_000_000.0,
    10_000_000.0,
];

/// The numbers; clones count together.
#[derive(Debug, Clone)]
pub struct KuboMetrics {
    /// Pins asked for.
    pub(crate) pin_add: IntCounter,
    /// Those that failed.
    pub(crate) pin_add_errors: IntCounter,
    /// Streams of blocks handed over.
    pub(crate) blocks_put: IntCounter,
    /// Those that failed.
    pub(crate) blocks_put_errors: IntCounter,
    /// Blocks that the daemon has stored.
    pub(crate) blocks_added: IntCounter,
    /// Their bytes.
    pub(crate) blocks_added_size: IntCounter,
    completed: IntCounterVec,
    latency: HistogramVec,
}

impl KuboMetrics {
    /// Makes the numbers and registers them.
    ///
    /// # Errors
    /// When the registry has numbers of these names.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| IntCounter::new(format!("ipfscluster_{name}"), help);
        let labels = ["http_client_method", "http_client_status"];
        let opts = |name: &str, help: &str| Opts::new(format!("{CLIENT}{name}"), help);
        let latency = opts("roundtrip_latency", "Milliseconds from a request to the head of its answer");
        let metrics = Self {
            pin_add: counter("pins_pin_add", "Pins asked of the IPFS daemon")?,
            pin_add_errors: counter("pins_pin_add_errors", "Pins asked of the IPFS daemon that failed")?,
            blocks_put: counter("blocks_put", "Streams of blocks handed to the IPFS daemon")?,
            blocks_put_errors: counter("blocks_put_errors", "Streams of blocks that failed")?,
            blocks_added: counter("blocks_added", "Blocks stored by the IPFS daemon")?,
            blocks_added_size: counter("blocks_added_size", "Bytes of the blocks stored")?,
            completed: IntCounterVec::new(opts("completed_count", "HTTP requests that ended"), &labels)?,
            latency: HistogramVec::new(
                HistogramOpts { common_opts: latency, buckets: MILLISECONDS.to_vec() },
                &labels,
            )?,
        };
        let all: [Box<dyn Collector>; 8] = [
            Box::new(metrics.pin_add.clone()),
            Box::new(metrics.pin_add_errors.clone()),
            Box::new(metrics.blocks_put.clone()),
            Box::new(metrics.blocks_put_errors.clone()),
            Box::new(metrics.blocks_added.clone()),
            Box::new(metrics.blocks_added_size.clone()),
            Box::new(metrics.completed.clone()),
            Box::new(metrics.latency.clone()),
        ];
        for number in all {
            registry.register(number)?;
        }
        Ok(metrics)
    }

    /// Counts a request that was answered, or not.
    pub(crate) fn answered(&self, status: Option<u16>, after: Duration) {
        let status = status.map_or_else(|| "error".to_owned(), |status| status.to_string());
        let labels = ["POST", status.as_str()];
        self.completed.with_label_values(&labels).inc();
        self.latency.with_label_values(&labels).observe(after.as_secs_f64() * 1000.0);
    }
}
