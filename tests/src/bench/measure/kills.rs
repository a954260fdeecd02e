//! Kills the daemon under load, again and again on one folder, and looks for every acknowledged pin.

use crate::bench::cids;
use crate::bench::figures::{Figure, Results};
use crate::bench::load::Until;
use crate::bench::stage::Stage;
use crate::bench::stream::{cid_of_line, lines};
use anyhow::{Context, Result};
use std::collections::HashSet;
use std::time::Duration;

/// Connections of the load that is cut off.
const CONNECTIONS: usize = 16;
const READ_LIMIT: Duration = Duration::from_secs(900);

pub(super) async fn run(stage: &mut Stage<'_>, results: &mut Results) -> Result<()> {
    let side = stage.suite.side;
    let world = stage.fresh().await?;
    let peer = world.peer;
    let _stub = world.stub;
    let mut daemon = world.daemon;
    let mut moments = Moments(stage.settings.seed);
    let longest = if stage.settings.quick { 700 } else { 3_000 };
    let mut acked = HashSet::new();
    let (mut lost, mut lossy_kills, mut total) = (0, 0, 0);
    let mut first = 0;
    for round in 0..stage.settings.kills() {
        let mut load = stage.load(&peer, CONNECTIONS);
        load.first = first;
        load.warm_up = Duration::ZERO;
        load.until = Until::Time(Duration::from_secs(600));
        load.remember = true;
        let running = load.start().await?;
        tokio::time::sleep(Duration::from_millis(100 + moments.next() % longest)).await;
        daemon.kill().await?;
        let outcome = running.finish().await?;
        first = outcome.next;
        total += outcome.acked.len() as u64;
        acked.extend(outcome.acked.iter().map(|index| cids::digest(stage.settings.seed, *index)));

        daemon = peer.start_and_wait().await.with_context(|| format!("after kill {}", round + 1))?;
        let mut missing = acked.clone();
        lines(peer.api(), "/allocations", READ_LIMIT, |line| {
            if let Some(digest) = cid_of_line(line).and_then(cids::parse) {
                missing.remove(&digest);
            }
        })
        .await?;
        lost += missing.len() as u64;
        lossy_kills += u64::from(!missing.is_empty());
        for gone in &missing {
            acked.remove(gone);
        }
    }
    results.record(side, Figure::Lost, lost as f64);
    results.record(side, Figure::KillAcks, total as f64);
    results.note(
        side,
        &format!(
            "{} kills at c = {CONNECTIONS}, seed {}: {lost} of {total} lost, in {lossy_kills} of the kills",
            stage.settings.kills(),
            stage.settings.seed
        ),
    );
    daemon.kill().await
}

/// Moments that look random and are the same for the same seed (splitmix64).
pub(super) struct Moments(pub(super) u64);

impl Moments {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
