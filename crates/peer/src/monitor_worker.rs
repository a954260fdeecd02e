//! Notices peers that fell silent.

use crate::MetricsBoard;
use cluster_core::{metric::PING, ports::cluster_api::Alert};
use std::time::Duration;
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::{Instant, MissedTickBehavior, interval_at},
};
use tokio_util::sync::CancellationToken;

/// Alerts about silent peers that wait to be acted on. When full the pins of one more silent peer are not placed anew,
/// which a warning says: so many at once are a broken network, not broken peers.
const SILENT_PEERS: usize = 256;

/// Checks the metrics again and again.
#[derive(Debug)]
pub struct MonitorWorker {
    board: MetricsBoard,
    check_interval: Duration,
    silent: mpsc::Sender<Alert>,
}

impl MonitorWorker {
    /// Makes the worker, and the channel that tells of each other peer whose ping expired, once until it is heard again.
    /// The receiver may be dropped.
    pub fn new(board: MetricsBoard, check_interval: Duration) -> (Self, mpsc::Receiver<Alert>) {
        let (silent, receiver) = mpsc::channel(SILENT_PEERS);
        (Self { board, check_interval, silent }, receiver)
    }

    /// Checks until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut ticks = interval_at(Instant::now() + self.check_interval, self.check_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            for alert in self.board.check() {
                self.on_alert(alert);
            }
        }
    }

    fn on_alert(&self, alert: Alert) {
        let (name, peer) = (&alert.metric.name, alert.metric.peer);
        tracing::warn!(target: "monitor", metric = name, %peer, "a metric expired without a successor");
        if name != PING || peer == self.board.me() {
            return;
        }
        if let Err(TrySendError::Full(_)) = self.silent.try_send(alert) {
            tracing::warn!(target: "monitor", %peer, "too many peers are silent: the pins of this one stay as they are");
        }
    }
}
