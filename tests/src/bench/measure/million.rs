//! Loads the large pinset, one request a pin, and follows what that costs in memory and on disk.

use crate::bench::figures::{Figure, Results};
use crate::bench::load::Until;
use crate::bench::procfs::{self, PssWatch};
use crate::bench::stage::{Large, Stage, settle};
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// Nothing written for this long means that compaction is idle.
const QUIET: Duration = Duration::from_secs(5);
const QUIET_LIMIT: Duration = Duration::from_secs(1800);

pub(super) async fn run(stage: &mut Stage<'_>, results: &mut Results) -> Result<()> {
    let side = stage.suite.side;
    let count = stage.settings.pins();
    let mut world = stage.fresh().await?;
    let pid = world.daemon.id();
    let empty = procfs::disk_bytes(&world.peer.data())?;
    let before = procfs::write_bytes(pid)?;
    let pss = PssWatch::start(pid);
    let mut load = stage.load(&world.peer, 256);
    load.until = Until::Count(count);
    load.warm_up = Duration::ZERO;
    let outcome = load.run().await?;
    results.note(side, &format!("{count} pins at c = 256: {}", outcome.describe()));
    results.record(side, Figure::MillionRate, outcome.rate());
    results.record(side, Figure::MillionRss, procfs::peak_mib(pid)?);
    results.note(side, &format!("{count} pins at c = 256: PSS peak {:.0} MiB", pss.peak_mib()));
    drop(pss);
    let loaded = procfs::write_bytes(pid)? - before;

    world.stub.set_delay(stage.settings.drain_delay).await?;
    settle(&mut world.daemon).await?;
    let written = quiet(pid).await? - before;
    let per_pin = |bytes: u64| bytes as f64 / count as f64;
    results.record(side, Figure::WrittenPerPin, per_pin(written));
    results.record(
        side,
        Figure::AtRestPerPin,
        per_pin(procfs::disk_bytes(&world.peer.data())?.saturating_sub(empty)),
    );
    results.note(side, &format!("{:.0} B a pin were written when the load ended", per_pin(loaded)));
    world.stub.set_delay(stage.settings.delay).await?;
    world.daemon.stop().await?;
    results.note(
        side,
        &format!(
            "{:.0} B a pin at rest after an orderly stop",
            per_pin(procfs::disk_bytes(&world.peer.data())?.saturating_sub(empty))
        ),
    );
    if outcome.latency.len() != count {
        bail!("not all pins were acknowledged: {}", outcome.describe());
    }
    stage.large = Some(Large { peer: world.peer, stub: world.stub, count, settled: true });
    Ok(())
}

async fn quiet(pid: u32) -> Result<u64> {
    let began = Instant::now();
    let (mut last, mut changed) = (procfs::write_bytes(pid)?, Instant::now());
    while changed.elapsed() < QUIET {
        if began.elapsed() > QUIET_LIMIT {
            bail!("waited {} s in vain: {} s without a write", QUIET_LIMIT.as_secs(), QUIET.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        let now = procfs::write_bytes(pid)?;
        if now != last {
            (last, changed) = (now, Instant::now());
        }
    }
    Ok(last)
}
