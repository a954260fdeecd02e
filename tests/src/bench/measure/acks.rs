//! Acknowledged pins a second, each number of connections on a fresh peer.

use crate::bench::figures::{Figure, Results};
use crate::bench::load::{Outcome, Until};
use crate::bench::procfs::{self, PssWatch};
use crate::bench::stage::Stage;
use crate::bench::sync_probe;
use anyhow::{Context, Result};
use std::time::Duration;

/// One CID in so many is asked for right after its acknowledgement.
const CHECK_EVERY: u64 = 8;
/// Length of the probe of the disk before and after each load.
const PROBE: Duration = Duration::from_secs(1);

pub(super) async fn run(stage: &mut Stage<'_>, results: &mut Results) -> Result<()> {
    let side = stage.suite.side;
    let (mut errors, mut unreadable, mut checked) = (0, 0, 0);
    for connections in [1, 16, 256] {
        let world = stage.fresh().await?;
        let pss = PssWatch::start(world.daemon.id());
        let mut load = stage.load(&world.peer, connections);
        results.probed(sync_probe::probe(stage.settings, PROBE)?);
        let cpu = procfs::cpu_seconds(world.daemon.id())?;
        let outcome = load.run().await?;
        let cpu = procfs::cpu_seconds(world.daemon.id())? - cpu;
        results.probed(sync_probe::probe(stage.settings, PROBE)?);
        let peak = procfs::peak_mib(world.daemon.id())?;
        results.note(side, &format!("c = {connections}: {}", outcome.describe()));
        let sent = (outcome.next - load.first) as f64;
        results.note(
            side,
            &format!("c = {connections}: {:.1} µs of the daemon's CPU time a pin", cpu / sent * 1e6),
        );
        errors += outcome.errors;
        record(stage, results, connections, &outcome);
        if connections == 256 {
            results.record(side, Figure::Rss256, peak);
            results.note(side, &format!("c = 256: PSS peak {:.0} MiB", pss.peak_mib()));
        }

        // On its own, because the reads cost the peer something too.
        load.first = outcome.next;
        load.warm_up = Duration::ZERO;
        load.until = Until::Time(stage.settings.load_time().min(Duration::from_secs(3)));
        load.check_every = Some(CHECK_EVERY);
        let outcome = load.run().await?;
        errors += outcome.errors;
        checked += outcome.checked;
        unreadable += outcome.unreadable;
        world.daemon.stop().await.context("after the load")?;
    }
    results.record(side, Figure::AckErrors, errors as f64);
    results.record(side, Figure::Unreadable, unreadable as f64);
    results.note(side, &format!("read right after the acknowledgement: {checked}, not found: {unreadable}"));
    Ok(())
}

fn record(stage: &Stage<'_>, results: &mut Results, connections: usize, outcome: &Outcome) {
    let side = stage.suite.side;
    let p99 = outcome.latency.quantile_ms(0.99);
    match connections {
        1 => results.record(side, Figure::Acks1, outcome.rate()),
        16 => {
            results.record(side, Figure::Acks16, outcome.rate());
            results.record(side, Figure::P99Of16, p99);
        }
        _ => {
            results.record(side, Figure::Acks256, outcome.rate());
            results.record(side, Figure::P99Of256, p99);
        }
    }
}
