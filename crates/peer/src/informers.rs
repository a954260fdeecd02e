//! Telling others of this peer: that it is alive, and what placement needs to know (api §10.5).

mod gauge;

pub use gauge::{DiskInformer, DiskMetric, PinqueueInformer, TagsInformer};

use crate::{IpfsWatch, MetricsBoard};
use cluster_core::{
    Metric,
    metric::UnixNanos,
    ports::{Broadcast, Datastore, IpfsConnector, swarm::PeerEvent},
    tracker::InFlight,
};
use cluster_runtime::now;
use gauge::{Gauge, Reading};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// Least time between two bursts, in which everything is told at once. What is asked for in between is told in one burst
/// after that time.
const BURST_GAP: Duration = Duration::from_secs(2);

/// Asks for everything to be told at once. Clones ask the same worker; nothing here waits.
#[derive(Debug, Clone)]
pub struct Informers {
    bursts: Arc<watch::Sender<()>>,
    /// 0 when pins trigger nothing.
    every_pins: u64,
    pins: Arc<AtomicU64>,
}

impl Informers {
    /// Makes the handle; with `informer_trigger` N above 0 every N-th pin asks for a burst.
    pub fn new(informer_trigger: u64) -> Self {
        Self {
            bursts: Arc::new(watch::Sender::new(())),
            every_pins: informer_trigger,
            pins: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Tells everything now, or two seconds after the last time.
    pub fn publish_all_now(&self) {
        self.bursts.send_replace(());
    }

    /// Tells everything to a peer that listens from now on.
    pub fn on_peer(&self, event: PeerEvent) {
        if let PeerEvent::ListensToMetrics(_) = event {
            self.publish_all_now();
        }
    }

    /// Counts the start or the end of a pin, the end of a stream of blocks or of a collection of garbage.
    pub fn on_pin_event(&self) {
        if self.every_pins == 0 {
            return;
        }
        let counted = self.pins.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if counted.is_multiple_of(self.every_pins) {
            self.publish_all_now();
        }
    }
}

/// What is told and how often; `None` is not told.
#[derive(Debug, Clone)]
pub struct InformersConfig {
    /// Display name of this peer.
    pub peername: String,
    /// How often this peer says that it is alive (`monitor_ping_interval`); others believe it for twice as long.
    pub ping_interval: Duration,
    /// Space of the IPFS daemon's repository.
    pub disk: Option<DiskInformer>,
    /// Names and values for placement.
    pub tags: Option<TagsInformer>,
    /// Pins that wait.
    pub pinqueue: Option<PinqueueInformer>,
}

/// What the informers work with.
pub struct InformersParts {
    /// Where own metrics are noted.
    pub board: MetricsBoard,
    /// Where they are told.
    pub broadcast: Arc<dyn Broadcast>,
    /// The IPFS daemon, for its space.
    pub ipfs: Arc<dyn IpfsConnector>,
    /// What is known of it, for the ping.
    pub watch: IpfsWatch,
    /// Where the number of queued pins is.
    pub store: Arc<dyn Datastore>,
    /// Those of them that are worked on.
    pub in_flight: InFlight,
}

/// Measures and tells.
pub struct InformersWorker {
    config: InformersConfig,
    parts: InformersParts,
    informers: Informers,
}

impl std::fmt::Debug for InformersWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InformersWorker").field("config", &self.config).finish_non_exhaustive()
    }
}

impl InformersWorker {
    /// Makes the worker that `informers` asks.
    pub fn new(config: InformersConfig, parts: InformersParts, informers: Informers) -> Self {
        Self { config, parts, informers }
    }

    /// Tells everything at once, and then again and again until told to stop. A daemon that is slow to say its space
    /// delays nothing else.
    pub async fn run(self, stop: CancellationToken) {
        let config = &self.config;
        let ping = Gauge::Ping { peername: &config.peername, interval: config.ping_interval };
        tokio::select! {
            // Nothing is told after the stop.
            biased;
            () = stop.cancelled() => {}
            _ = async { tokio::join!(
                self.keep_telling(Some(ping)),
                self.keep_telling(config.tags.as_ref().map(Gauge::Tags)),
                self.keep_telling(config.pinqueue.as_ref().map(Gauge::Pinqueue)),
                self.keep_telling(config.disk.as_ref().map(Gauge::Disk)),
            ) } => {}
        }
    }

    async fn keep_telling(&self, gauge: Option<Gauge<'_>>) {
        let Some(gauge) = gauge else { return };
        let mut bursts = self.informers.bursts.subscribe();
        let mut next_burst = Instant::now();
        let mut failing = false;
        loop {
            // Whoever asked until now gets what is measured now.
            bursts.mark_unchanged();
            let pause = match gauge.read(&self.parts).await {
                Ok(readings) => {
                    failing = false;
                    readings.into_iter().for_each(|reading| self.tell(reading, &gauge));
                    gauge.pause()
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(
                            target: "informers", %error,
                            "cannot measure what placement needs to know; trying again, until then others may not place pins here"
                        );
                    }
                    gauge.pause_after_failure()
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = burst(&mut bursts, next_burst) => next_burst = Instant::now() + BURST_GAP,
            }
        }
    }

    fn tell(&self, reading: Reading, gauge: &Gauge<'_>) {
        let metric = Metric {
            name: reading.name,
            peer: self.parts.board.me(),
            value: reading.value,
            expires: UnixNanos::from_millis(now().plus(gauge.ttl())),
            valid: true,
            weight: reading.weight,
            partitionable: reading.partitionable,
            received_at: UnixNanos::default(),
        };
        self.parts.broadcast.publish_metric(&metric);
        self.parts.board.on_own_metric(metric);
    }
}

/// Waits until a burst is asked for and may be.
async fn burst(bursts: &mut watch::Receiver<()>, not_before: Instant) {
    // The worker holds a sender itself, so that this never fails.
    if bursts.changed().await.is_ok() {
        sleep_until(not_before).await;
    }
}
