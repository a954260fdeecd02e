//! Placing the pins of silent peers elsewhere, in agreement with the Go suite on who does (api §10.6).

use super::{Peer, replacing::Loss};
use crate::turns::{Patience, Turns};
use cluster_core::{PeerId, ports::cluster_api::Alert};
use std::time::Duration;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

/// A peer that fell silent.
struct Silent {
    peer: PeerId,
    since: Instant,
    /// Who was there when every peer had had its turn: nothing is left to do before that changes.
    settled_with: Option<Vec<PeerId>>,
}

impl Peer {
    /// Takes alerts about pings and places the pins of silent peers elsewhere: at once where this peer is the closest
    /// trusted one, else after the closer ones had the time to. Looks again whenever members come or go, until the
    /// silent peer is heard again. Ends with the alerts.
    pub async fn heal(self, mut alerts: mpsc::Receiver<Alert>, check_interval: Duration) {
        // Peers notice a silence within one interval of each other.
        let patience = Patience { ours: 2 * check_interval, other: 4 * check_interval };
        let mut silent: Vec<Silent> = Vec::new();
        let mut ticks = interval(check_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                alert = alerts.recv() => {
                    let Some(alert) = alert else { return };
                    let peer = alert.metric.peer;
                    silent.retain(|silent| silent.peer != peer);
                    silent.push(Silent { peer, since: Instant::now(), settled_with: None });
                }
                _ = ticks.tick(), if !silent.is_empty() => {}
            }
            let members = self.parts().consensus.members();
            silent.retain(|silent| {
                !members.contains(&silent.peer) && !self.parts().trust.is_forgotten(&silent.peer)
            });
            for silent in silent.iter_mut().filter(|silent| silent.settled_with.as_ref() != Some(&members)) {
                self.heal_one(silent, patience, &members).await;
            }
        }
    }

    async fn heal_one(&self, silent: &mut Silent, patience: Patience, members: &[PeerId]) {
        let parts = self.parts();
        let turns = Turns::of(&self.config().id, &*parts.consensus, &*parts.network, patience);
        let waited = silent.since.elapsed();
        match self.replace(Loss::Silent(silent.peer), |cid| turns.wait(cid) <= waited).await {
            Ok(_) if waited >= turns.longest() => silent.settled_with = Some(members.to_vec()),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(target: "cluster", peer = %silent.peer, %error, "cannot place pins of a silent peer elsewhere yet");
            }
        }
    }
}
