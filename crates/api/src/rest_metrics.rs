//! Numbers of the REST API for Prometheus, under the names that dashboards for the Go suite use (api §11.1).

use crate::access_log::unanswered;
use http::{Method, StatusCode};
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry, core::Collector};
use std::{sync::Arc, time::Instant};

/// What the name of every number starts with.
const PREFIX: &str = "ipfscluster_opencensus_io_http_server_";

/// Upper ends of the classes of times, in milliseconds.
const MILLISECONDS: [f64; 34] = [
    1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 13.0, 16.0, 20.0, 25.0, 30.0, 40.0, 50.0, 65.0, 80.0, 100.0,
    130.0, 160.0, 200.0, 250.0, 300.0, 400.0, 500.0, 650.0, 800.0, 1000.0, 2000.0, 5000.0, 10_000.0,
    20_000.0, 50_000.0, 100_000.0,
];

/// Upper ends of the classes of sizes, in bytes.
const BYTES: [f64; 13] = [
    1024.0,
    2048.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
    1_073_741_824.0,
    4_294_967_296.0,
];

/// The numbers; clones count together.
#[derive(Debug, Clone)]
pub struct RestMetrics(Arc<Numbers>);

#[derive(Debug)]
struct Numbers {
    /// Requests begun.
    requests: IntCounter,
    /// The same by method.
    by_method: IntCounterVec,
    /// Answers sent or given up, by status.
    by_status: IntCounterVec,
    /// Time from the head of a request to the last byte of its answer, in milliseconds.
    latency: Histogram,
    /// Size of the body of a request as its head has it.
    request_bytes: Histogram,
    /// Bytes of the body of an answer that were sent.
    response_bytes: Histogram,
}

impl RestMetrics {
    /// Makes the numbers and registers them.
    ///
    /// # Errors
    /// When the registry has numbers of these names.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let opts = |name: &str, help: &str| Opts::new(format!("{PREFIX}{name}"), help);
        let histogram = |name: &str, help: &str, classes: &[f64]| {
            let opts = HistogramOpts { common_opts: opts(name, help), buckets: classes.to_vec() };
            Histogram::with_opts(opts)
        };
        let numbers = Numbers {
            requests: IntCounter::with_opts(opts("request_count", "HTTP requests begun"))?,
            by_method: IntCounterVec::new(
                opts("request_count_by_method", "HTTP requests begun, by method"),
                &["http_method"],
            )?,
            by_status: IntCounterVec::new(
                opts("response_count_by_status_code", "HTTP answers, by status"),
                &["http_status"],
            )?,
            latency: histogram("latency", "Milliseconds from request to end of answer", &MILLISECONDS)?,
            request_bytes: histogram("request_bytes", "Bytes of the body of a request", &BYTES)?,
            response_bytes: histogram("response_bytes", "Bytes of the body of an answer", &BYTES)?,
        };
        let all: [Box<dyn Collector>; 6] = [
            Box::new(numbers.requests.clone()),
            Box::new(numbers.by_method.clone()),
            Box::new(numbers.by_status.clone()),
            Box::new(numbers.latency.clone()),
            Box::new(numbers.request_bytes.clone()),
            Box::new(numbers.response_bytes.clone()),
        ];
        for number in all {
            registry.register(number)?;
        }
        Ok(Self(Arc::new(numbers)))
    }

    /// Begins to measure a request.
    pub(crate) fn begin(&self, method: &Method, request_bytes: u64) -> Measured {
        self.0.requests.inc();
        // A made-up method would make a number of its own, and so would each of a million.
        let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
        let method = known.into_iter().find(|known| *known == method.as_str()).unwrap_or("other");
        self.0.by_method.with_label_values(&[method]).inc();
        self.0.request_bytes.observe(request_bytes as f64);
        let numbers = self.0.clone();
        Measured { numbers, began: Instant::now(), bytes: 0, status: unanswered() }
    }
}

/// A request under way; dropping it counts its answer.
#[derive(Debug)]
pub(crate) struct Measured {
    numbers: Arc<Numbers>,
    began: Instant,
    pub(crate) bytes: u64,
    pub(crate) status: StatusCode,
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.numbers.by_status.with_label_values(&[self.status.as_str()]).inc();
        self.numbers.latency.observe(self.began.elapsed().as_secs_f64() * 1000.0);
        self.numbers.response_bytes.observe(self.bytes as f64);
    }
}
